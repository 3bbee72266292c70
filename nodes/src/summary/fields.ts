import { bucketOf, fixedBucketOf, LOWEST_BUCKET } from './sketch.ts';

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
  /** Bits: 0 first is a text, 1 last is, 2 there are changes or states, 3 too many states, 4 a fixed width, 5 no quantiles, 6 a unit, 7 different units. */
  flags: Bytes;
  units: Bytes;
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
  firstValues: Bytes;
  lastValues: Bytes;
  /** Width of fixed buckets: mantissa and exponent. */
  widths: Bytes;
  /** Empty buckets between the lowest and the highest; gaps between filled ones; counts of all but the highest. */
  holes: Bytes;
  gaps: Bytes;
  buckets: Bytes;
  changes: Bytes;
  /** How many, then each with its time. */
  states: Bytes;
}

export const FIELDS: readonly (keyof Fields<unknown>)[] = [
  'counts',
  'others',
  'anomalies',
  'uncertain',
  'bad',
  'flags',
  'units',
  'exponents',
  'sums',
  'squares',
  'lows',
  'highs',
  'firstTimes',
  'lastTimes',
  'firstPositions',
  'lastPositions',
  'firstValues',
  'lastValues',
  'widths',
  'holes',
  'gaps',
  'buckets',
  'changes',
  'states',
];

/** A value for each field. */
export function fieldsOf<Bytes>(make: (field: keyof Fields<unknown>) => Bytes): Fields<Bytes> {
  return {
    counts: make('counts'),
    others: make('others'),
    anomalies: make('anomalies'),
    uncertain: make('uncertain'),
    bad: make('bad'),
    flags: make('flags'),
    units: make('units'),
    exponents: make('exponents'),
    sums: make('sums'),
    squares: make('squares'),
    lows: make('lows'),
    highs: make('highs'),
    firstTimes: make('firstTimes'),
    lastTimes: make('lastTimes'),
    firstPositions: make('firstPositions'),
    lastPositions: make('lastPositions'),
    firstValues: make('firstValues'),
    lastValues: make('lastValues'),
    widths: make('widths'),
    holes: make('holes'),
    gaps: make('gaps'),
    buckets: make('buckets'),
    changes: make('changes'),
    states: make('states'),
  };
}

/** What times, positions and spans are counted from: the window and the part before, zeros for a summary alone. */
export interface Base {
  time: number;
  position: number;
  /** Milliseconds from first to last. */
  span: number;
}

/** Flags. */
export const FIRST_TEXT = 1;
export const LAST_TEXT = 2;
export const STATES = 4;
export const MANY_STATES = 8;
export const FIXED_WIDTH = 16;
export const NO_QUANTILES = 32;
export const UNIT = 64;
export const MIXED = 128;

/** Logarithmic buckets on one axis: negative ones, zero, positive ones. */
export const AXIS = 1 - LOWEST_BUCKET;

/** `width` of fixed buckets, 0 for logarithmic ones. */
export function keyOf(value: number, width: number): number {
  if (width > 0) return fixedBucketOf(value, width);
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
