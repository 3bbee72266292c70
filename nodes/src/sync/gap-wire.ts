import type { Grants } from '../privacy/grants.ts';
import type { Gap } from '../vault/gaps.ts';
import type { SeriesCatalogue } from '../vault/vault.ts';
import type { WireGap } from './messages.ts';

/**
 * What may be said to the cloud of a gap; undefined while nothing may. A gap concerns the cloud when at least one of its
 * series may leave, or when it names blocks that were sealed for a purpose that still has grants. Series without a grant
 * are not named, and where there are some, neither is the count: it would tell how much they measured.
 */
export function gapForCloud(gap: Gap, grants: Grants, series: SeriesCatalogue): WireGap | undefined {
  const { positions: _positions, series: named, count, ...said } = gap;
  if (gap.what !== 'readings') {
    const purpose = gap.stream?.slice(0, gap.stream.lastIndexOf('/'));
    const stands = grants.list.some((grant) => purpose === undefined || purpose === '' || grant.purpose === purpose);
    return stands ? { ...said, count } : undefined;
  }
  const granted = (number: number): boolean => {
    const name = series.name(number);
    return name !== undefined && grants.allowsAny(name);
  };
  if (Array.isArray(named)) {
    const allowed = named.filter(granted);
    if (allowed.length === 0) return undefined;
    return { ...said, series: allowed, ...(allowed.length === named.length && { count }) };
  }
  let some = false;
  let every = true;
  for (const { number } of series.entries()) {
    if (granted(number)) some = true;
    else every = false;
  }
  return some ? { ...said, ...(every && { series: 'all' as const, count }) } : undefined;
}
