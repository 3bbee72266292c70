import { TideError } from '../node/errors.ts';
import { LEAST_MAGNITUDE, MOST_MAGNITUDE } from '../reading/number-range.ts';
import type { Summary } from './summary.ts';

/**
 * Quantile sketch: counts of buckets. Logarithmic ones have a relative error of 1 % (DDSketch; Masson, Rim and Lee, VLDB
 * 2019); ones of a fixed width have half that width as their error, also where values are near zero.
 */
export interface Sketch {
  /** Of fixed buckets: bucket i holds the values nearest to i times this. 0: the buckets are logarithmic. */
  width: number;
  /**
   * Nothing is known of quantiles: sketches of different kinds came together, or fixed buckets grew too many or too
   * far from zero. There are no buckets then, and none come any more.
   */
  unknown: boolean;
  zero: number;
  /** Bucket index -> count; of negative ones less the sign. */
  positive: Map<number, number>;
  negative: Map<number, number>;
}

/** Filled buckets that a sketch of fixed width may have, and how far from zero they may lie. */
export const MAX_FIXED_BUCKETS = 4_096;
export const MAX_FIXED_INDEX = 2 ** 31;

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

/** Bucket of fixed width that a value lies in: one rounded quotient, which every machine rounds alike. */
export function fixedBucketOf(value: number, width: number): number {
  // Adding zero turns -0 into 0.
  return Math.round(value / width) + 0;
}

export function emptySketch(width = 0): Sketch {
  return { width, unknown: false, zero: 0, positive: new Map(), negative: new Map() };
}

/** Throws TideError `not-a-decimal` for a value that no summary can hold, and leaves the sketch as it was. */
export function addToSketch(sketch: Sketch, value: number, count = 1): void {
  if (sketch.unknown || sketch.width > 0) {
    checkMagnitude(value);
    if (!sketch.unknown) addToBucket(sketch, fixedBucketOf(value, sketch.width), count);
    return;
  }
  if (value === 0) {
    sketch.zero += count;
    return;
  }
  const [side, bucket] = value > 0 ? [sketch.positive, bucketOf(value)] : [sketch.negative, bucketOf(-value)];
  side.set(bucket, (side.get(bucket) ?? 0) + count);
}

function checkMagnitude(value: number): void {
  const magnitude = Math.abs(value);
  // As the logarithmic buckets do, which have no bound beyond these.
  if (magnitude !== 0) bucketOf(magnitude);
}

function addToBucket(sketch: Sketch, bucket: number, count: number): void {
  const { positive, negative } = sketch;
  if (Math.abs(bucket) > MAX_FIXED_INDEX) forget(sketch);
  else if (bucket === 0) sketch.zero += count;
  else if (bucket > 0) positive.set(bucket, (positive.get(bucket) ?? 0) + count);
  else negative.set(-bucket, (negative.get(-bucket) ?? 0) + count);
  if (positive.size + negative.size + (sketch.zero > 0 ? 1 : 0) > MAX_FIXED_BUCKETS) forget(sketch);
}

function forget(sketch: Sketch): void {
  sketch.unknown = true;
  sketch.width = 0;
  sketch.zero = 0;
  sketch.positive.clear();
  sketch.negative.clear();
}

const isEmpty = ({ unknown, zero, positive, negative }: Sketch): boolean =>
  !unknown && zero === 0 && positive.size === 0 && negative.size === 0;

/**
 * Adds the counts of `from` to `into`; sketches of two kinds know nothing together, in whatever order they come. Adding
 * the same sketch twice counts its values twice: fold parts, never sums.
 */
export function mergeSketch(into: Sketch, from: Sketch): void {
  if (into.unknown || isEmpty(from)) return;
  if (isEmpty(into)) into.width = from.width;
  if (from.unknown || from.width !== into.width) {
    forget(into);
    return;
  }
  into.zero += from.zero;
  addCounts(into.positive, from.positive);
  addCounts(into.negative, from.negative);
  const { width, zero, positive, negative } = into;
  if (width > 0 && positive.size + negative.size + (zero > 0 ? 1 : 0) > MAX_FIXED_BUCKETS) forget(into);
}

function addCounts(into: Map<number, number>, from: ReadonlyMap<number, number>): void {
  if (from.size === 0) return;
  for (const [bucket, count] of from) into.set(bucket, (into.get(bucket) ?? 0) + count);
}

export function copySketch({ width, unknown, zero, positive, negative }: Sketch): Sketch {
  return { width, unknown, zero, positive: new Map(positive), negative: new Map(negative) };
}

/**
 * The q-quantile (0 <= q <= 1), within 1 % (or half the width of fixed buckets) of the value with lower rank
 * floor(q * (n - 1)); undefined when there is no number or nothing is known. Of a summary it never lies outside of its
 * minimum and maximum.
 */
export function quantile(of: Sketch | Summary, q: number): number | undefined {
  if (!(q >= 0 && q <= 1)) throw new RangeError(`a quantile lies between 0 and 1, not at ${q}`);
  if (!('sketch' in of)) return quantileOfSketch(of, q);
  const estimate = quantileOfSketch(of.sketch, q);
  if (estimate === undefined || of.min === undefined || of.max === undefined) return undefined;
  return Math.min(Math.max(estimate, of.min), of.max);
}

function quantileOfSketch({ width, zero, positive, negative }: Sketch, q: number): number | undefined {
  const valueOf = (bucket: number): number => (width > 0 ? bucket * width : bucketValue(bucket));
  let total = zero;
  for (const count of positive.values()) total += count;
  for (const count of negative.values()) total += count;
  if (total === 0) return undefined;
  let left = Math.floor(q * (total - 1));
  for (const [bucket, count] of [...negative].toSorted((a, b) => b[0] - a[0])) {
    left -= count;
    if (left < 0) return -valueOf(bucket);
  }
  left -= zero;
  if (left < 0) return 0;
  const ascending = [...positive].toSorted((a, b) => a[0] - b[0]);
  for (const [bucket, count] of ascending) {
    left -= count;
    if (left < 0) return valueOf(bucket);
  }
  return valueOf(ascending.at(-1)![0]);
}
