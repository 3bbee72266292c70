import { bucketOf, LOWEST_BUCKET } from './sketch.ts';

/**
 * The fields of an encoded summary, each in the form in which it is smallest next to what was said before: squares as
 * what exceeds the square of the mean, extremes as their distance from the mean, buckets of the sketch between those of the
 * extremes. A block keeps a column for each field, a single summary writes them one after the other; docs/summaries.md
 * has the byte layout. Every summary has exactly one encoding, and the reader takes no other.
 */
export interface Fields<Bytes> {
  /** count, then how many of these are no numbers. */
  counts: Bytes;
  others: Bytes;
  anomalies: Bytes;
  uncertain: Bytes;
  bad: Bytes;
  /** Exponent of all decimals of this summary; squares are at twice that. */
  exponents: Bytes;
  sums: Bytes;
  squares: Bytes;
  lows: Bytes;
  highs: Bytes;
  /** First minus the base's time; last minus first, minus the base's span. */
  firstTimes: Bytes;
  lastTimes: Bytes;
  firstPositions: Bytes;
  lastPositions: Bytes;
  /** Bit 0: first is a text; bit 1: last is. */
  kinds: Bytes;
  firstValues: Bytes;
  lastValues: Bytes;
  /** Empty buckets between the lowest and the highest; gaps between filled ones; counts of all but the highest. */
  holes: Bytes;
  gaps: Bytes;
  buckets: Bytes;
}

export const FIELDS: readonly (keyof Fields<unknown>)[] = [
  'counts',
  'others',
  'anomalies',
  'uncertain',
  'bad',
  'exponents',
  'sums',
  'squares',
  'lows',
  'highs',
  'firstTimes',
  'lastTimes',
  'firstPositions',
  'lastPositions',
  'kinds',
  'firstValues',
  'lastValues',
  'holes',
  'gaps',
  'buckets',
];

/** A value for each field. */
export function fieldsOf<Bytes>(make: (field: keyof Fields<unknown>) => Bytes): Fields<Bytes> {
  return {
    counts: make('counts'),
    others: make('others'),
    anomalies: make('anomalies'),
    uncertain: make('uncertain'),
    bad: make('bad'),
    exponents: make('exponents'),
    sums: make('sums'),
    squares: make('squares'),
    lows: make('lows'),
    highs: make('highs'),
    firstTimes: make('firstTimes'),
    lastTimes: make('lastTimes'),
    firstPositions: make('firstPositions'),
    lastPositions: make('lastPositions'),
    kinds: make('kinds'),
    firstValues: make('firstValues'),
    lastValues: make('lastValues'),
    holes: make('holes'),
    gaps: make('gaps'),
    buckets: make('buckets'),
  };
}

/** What times, positions and spans are counted from: the window and the part before, zeros for a summary alone. */
export interface Base {
  time: number;
  position: number;
  /** Milliseconds from first to last. */
  span: number;
}

/** Buckets on one axis: negative ones, zero, positive ones. */
export const AXIS = 1 - LOWEST_BUCKET;

export function keyOf(value: number): number {
  if (value === 0) return 0;
  return value > 0 ? bucketOf(value) + AXIS : -bucketOf(-value) - AXIS;
}

/** Rounds towards minus infinity; the divisor is positive. */
export function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend < 0n && quotient * divisor !== dividend ? quotient - 1n : quotient;
}

/** Rounds towards plus infinity; both are not negative. */
export function ceilDivide(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}
