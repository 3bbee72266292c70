import { TideError } from '../node/errors.ts';
import { LEAST_MAGNITUDE, MOST_MAGNITUDE } from '../reading/number-range.ts';
import type { Summary } from './summary.ts';

/** Quantile sketch with relative error 1 % (DDSketch; Masson, Rim and Lee, VLDB 2019): counts of logarithmic buckets. */
export interface Sketch {
  zero: number;
  /** Bucket index -> count. */
  positive: Map<number, number>;
  negative: Map<number, number>;
}

export const RELATIVE_ERROR = 0.01;
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);

/**
 * Values are decimals from 1e-18 to below 1e35 in magnitude, which is 6,104 buckets on each side of zero. So the number of
 * buckets is bounded without ever collapsing any, and a merge stays free of order.
 */
export const LOWEST_BUCKET = -2_073;
export const HIGHEST_BUCKET = 4_030;

/**
 * Upper bounds of the buckets; bucket i holds (bound(i - 1), bound(i)]. They are part of the format: bound(0) is 1, each
 * further one is its neighbour times (or, below, divided by) 1.01 / 0.99, in binary64 arithmetic, which every machine
 * rounds alike. A logarithm would not do: its last bits differ between libraries.
 */
const bounds = new Float64Array(HIGHEST_BUCKET - LOWEST_BUCKET + 2);
const ORIGIN = 1 - LOWEST_BUCKET;
bounds[ORIGIN] = 1;
for (let i = ORIGIN + 1; i < bounds.length; i++) bounds[i] = bounds[i - 1] * GAMMA;
for (let i = ORIGIN - 1; i >= 0; i--) bounds[i] = bounds[i + 1] / GAMMA;

const PER_LOG = 1 / Math.log(GAMMA);

/** Bucket of a magnitude (> 0). The logarithm only guesses; the bounds decide. */
export function bucketOf(magnitude: number): number {
  let at = Math.ceil(Math.log(magnitude) * PER_LOG) + ORIGIN;
  while (at > 0 && bounds[at - 1] >= magnitude) at--;
  while (at < bounds.length && bounds[at] < magnitude) at++;
  if (at < 1 || at >= bounds.length)
    throw new TideError(
      'not-a-decimal',
      `${magnitude} is outside of 1e${LEAST_MAGNITUDE} to 1e${MOST_MAGNITUDE + 1}, the range of a summary`,
    );
  return at - ORIGIN;
}

/** The value that stands for a bucket: within 1 % of every value in it. */
export function bucketValue(bucket: number): number {
  return (bounds[bucket + ORIGIN] * 2) / (GAMMA + 1);
}

export function emptySketch(): Sketch {
  return { zero: 0, positive: new Map(), negative: new Map() };
}

export function addToSketch(sketch: Sketch, value: number, count = 1): void {
  if (value === 0) {
    sketch.zero += count;
    return;
  }
  const [side, bucket] = value > 0 ? [sketch.positive, bucketOf(value)] : [sketch.negative, bucketOf(-value)];
  side.set(bucket, (side.get(bucket) ?? 0) + count);
}

/** Adds the counts of `from` to `into`. Adding the same sketch twice counts its values twice: fold parts, never sums. */
export function mergeSketch(into: Sketch, from: Sketch): void {
  into.zero += from.zero;
  for (const [bucket, count] of from.positive) into.positive.set(bucket, (into.positive.get(bucket) ?? 0) + count);
  for (const [bucket, count] of from.negative) into.negative.set(bucket, (into.negative.get(bucket) ?? 0) + count);
}

export function copySketch({ zero, positive, negative }: Sketch): Sketch {
  return { zero, positive: new Map(positive), negative: new Map(negative) };
}

/**
 * The q-quantile (0 <= q <= 1), within 1 % of the value with lower rank floor(q * (n - 1)); undefined when there is no
 * number. Of a summary it never lies outside of its minimum and maximum.
 */
export function quantile(of: Sketch | Summary, q: number): number | undefined {
  if (!(q >= 0 && q <= 1)) throw new RangeError(`a quantile lies between 0 and 1, not at ${q}`);
  if (!('sketch' in of)) return quantileOfSketch(of, q);
  const estimate = quantileOfSketch(of.sketch, q);
  if (estimate === undefined || of.min === undefined || of.max === undefined) return undefined;
  return Math.min(Math.max(estimate, of.min), of.max);
}

function quantileOfSketch({ zero, positive, negative }: Sketch, q: number): number | undefined {
  let total = zero;
  for (const count of positive.values()) total += count;
  for (const count of negative.values()) total += count;
  if (total === 0) return undefined;
  let left = Math.floor(q * (total - 1));
  for (const [bucket, count] of [...negative].toSorted((a, b) => b[0] - a[0])) {
    left -= count;
    if (left < 0) return -bucketValue(bucket);
  }
  left -= zero;
  if (left < 0) return 0;
  const ascending = [...positive].toSorted((a, b) => a[0] - b[0]);
  for (const [bucket, count] of ascending) {
    left -= count;
    if (left < 0) return bucketValue(bucket);
  }
  return bucketValue(ascending.at(-1)![0]);
}
