import type { Range } from './vault.ts';

/** What of `from..to` lies in none of the ranges, in order. All bounds are inclusive. */
export function outside(ranges: readonly Range[], from: number, to: number): [from: number, to: number][] {
  const gaps: [number, number][] = [];
  let at = from;
  for (const [low, high] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (low > to) break;
    if (low > at) gaps.push([at, low - 1]);
    at = Math.max(at, high + 1);
  }
  if (at <= to) gaps.push([at, to]);
  return gaps;
}
