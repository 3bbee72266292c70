import { DEFAULT_PURPOSE } from '@tidegate/nodes/privacy';
import { purposeOf, resolutionOf } from '@tidegate/nodes/summary';
import { ACCOUNT_COLUMNS, DROPS, nothing, waitingOf } from '@tidegate/nodes/vault';

import type { ClaimedFacts, ClaimFacts } from '../store/store.ts';
import type { AccountAnswer, SeriesAccountView } from './contract.ts';

const rank = ({ agrees, addsUp }: SeriesAccountView): number => (agrees && addsUp ? 1 : 0);

/** What a gateway says became of its readings, each series by its finest windows, and how that compared; what differs first. */
export function accountView(gateway: string, claims: readonly ClaimFacts[]): AccountAnswer {
  const finest = new Map<string, SeriesAccountView>();
  let [differing, unsaid] = [0, 0];
  for (const { stream, checkedAt, series, unsaid: silent } of claims) {
    differing += series.filter(({ agrees }) => !agrees).length;
    unsaid = Math.max(unsaid, silent);
    if (purposeOf(stream) !== DEFAULT_PURPOSE) continue;
    const resolution = resolutionOf(stream) ?? 0;
    for (const facts of series) {
      const known = finest.get(facts.name);
      // A difference in any windows of a series is to be seen, and else its finest ones.
      if (known !== undefined && !known.agrees) continue;
      if (known === undefined || !facts.agrees || known.resolution > resolution)
        finest.set(facts.name, seriesView(facts, resolution, checkedAt));
    }
  }
  return {
    gateway,
    checkedAt: claims.length === 0 ? null : Math.min(...claims.map(({ checkedAt }) => checkedAt)),
    differing,
    unsaid,
    series: [...finest.values()].toSorted((a, b) => rank(a) - rank(b) || (a.series < b.series ? -1 : 1)),
  };
}

function seriesView({ name, claimed, held, agrees }: ClaimedFacts, resolution: number, checkedAt: number) {
  const [, ...figures] = claimed;
  const counts = nothing();
  for (const [i, column] of ACCOUNT_COLUMNS.entries()) counts[column] = figures[i] ?? 0;
  const [taken = null, stale = null, open = null] = figures.slice(ACCOUNT_COLUMNS.length);
  const { withheld, sealed, delivered } = counts;
  const waiting = waitingOf(counts);
  const view: SeriesAccountView = {
    series: name,
    resolution,
    taken,
    stale,
    open,
    withheld,
    sealed,
    delivered,
    waiting,
    dropped: Object.fromEntries(DROPS.flatMap((cause) => (counts[cause] > 0 ? [[cause, counts[cause]]] : []))),
    held,
    agrees,
    addsUp: waiting >= 0 && (taken === null || open === null || taken === open + withheld + sealed),
    checkedAt,
  };
  return view;
}

const COLUMNS: Record<string, (row: SeriesAccountView) => string | number | boolean | null> = {
  series: ({ series }) => series,
  resolution: ({ resolution }) => resolution,
  taken: ({ taken }) => taken,
  retained: ({ stale }) => stale,
  open: ({ open }) => open,
  withheld: ({ withheld }) => withheld,
  delivered: ({ delivered }) => delivered,
  waiting: ({ waiting }) => waiting,
  ...Object.fromEntries(
    DROPS.map((cause) => [`dropped_${cause}`, ({ dropped }: SeriesAccountView) => dropped[cause] ?? 0]),
  ),
  held: ({ held }) => held,
  agrees: ({ agrees }) => agrees,
  adds_up: ({ addsUp }) => addsUp,
};

/** The same as CSV (RFC 4180). A name that begins like a formula gets an apostrophe in front, since spreadsheets run those. */
export function accountCsv({ series }: AccountAnswer): string {
  const cells = Object.values(COLUMNS);
  const lines = series.map((row) => cells.map((cell) => cellText(cell(row))).join(','));
  return [Object.keys(COLUMNS).join(','), ...lines, ''].join('\r\n');
}

function cellText(value: string | number | boolean | null): string {
  if (typeof value !== 'string') return value === null ? '' : String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
