/** Sets of block numbers as inclusive ranges: ascending, not touching. */
import type { Range } from '../vault/vault.ts';

/** The ranges of any numbers or ranges, in any order, overlapping or not. */
export function normalise(ranges: readonly Range[]): Range[] {
  const result: [number, number][] = [];
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

export function rangesOf(numbers: readonly number[]): Range[] {
  return normalise(numbers.map((number): Range => [number, number]));
}

export function contains(ranges: readonly Range[], number: number): boolean {
  return ranges.some(([from, to]) => from <= number && number <= to);
}

/** What lies within `from..to`. */
export function clip(ranges: readonly Range[], from: number, to: number): Range[] {
  const result: Range[] = [];
  for (const [low, high] of ranges) {
    if (high >= from && low <= to) result.push([Math.max(low, from), Math.min(high, to)]);
  }
  return result;
}

/** What is in `ranges` and not in `removed`. Both normalised. */
export function without(ranges: readonly Range[], removed: readonly Range[]): Range[] {
  let left = [...ranges];
  for (const [from, to] of removed) {
    left = left.flatMap(([low, high]): Range[] => {
      if (high < from || low > to) return [[low, high]];
      const rest: Range[] = [];
      if (low < from) rest.push([low, from - 1]);
      if (high > to) rest.push([to + 1, high]);
      return rest;
    });
  }
  return left;
}
