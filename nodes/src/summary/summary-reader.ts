import { LEAST_MAGNITUDE } from '../reading/number-range.ts';
import { compareTimed } from './accumulator.ts';
import {
  canonical,
  decimalOf,
  decimalToNumber,
  EXACT_MANTISSA,
  mantissaAt,
  MAX_PLACES,
  type Decimal,
} from './decimal.ts';
import {
  AXIS,
  ceilDivide,
  FIRST_TEXT,
  FIXED_WIDTH,
  floorDivide,
  keyOf,
  LAST_TEXT,
  MANY_STATES,
  MIXED,
  NO_QUANTILES,
  STATES,
  UNIT,
  type Base,
  type Fields,
} from './fields.ts';
import { emptySketch, MAX_FIXED_BUCKETS, MAX_FIXED_INDEX, type Sketch } from './sketch.ts';
import { readStates, readText } from './states-codec.ts';
import { MAX_UNIT, type Summary, type TimedValue } from './summary.ts';
import type { ByteReader } from './varint.ts';

/** Reads what writeSummary wrote; anything else, a second encoding of the same summary too, is a TideError `malformed`. */
export function readSummary(fields: Fields<ByteReader>, base: Base): Summary {
  const count = fields.counts.uint();
  const others = fields.others.uint();
  if (others > count) fields.others.fail(`${others} of ${count} readings are no numbers`);
  const numeric = count - others;
  const anomalies = fields.anomalies.uint();
  if (anomalies > count) fields.anomalies.fail(`${anomalies} of ${count} readings are in an anomaly`);
  const uncertain = fields.uncertain.uint();
  if (uncertain > count) fields.uncertain.fail(`${uncertain} of ${count} readings are uncertain`);
  const bad = fields.bad.uint();
  const flags = count > 0 ? readFlags(fields.flags, count, others) : 0;
  const unit = (flags & UNIT) === 0 ? undefined : readUnit(fields.units);
  const numbers = numeric > 0 ? readNumbers(fields, numeric) : NO_NUMBERS;
  const { sum, squares, min, max } = numbers;
  const sketch = min === undefined || max === undefined ? emptySketch() : readSketch(fields, flags, numeric, min, max);
  const ends = count > 0 ? readEnds(fields, count, flags, numbers, base) : NO_ENDS;
  if (numeric > 0) refuseCoarser(fields, numbers, ends);
  return {
    count,
    numeric,
    unit,
    mixed: (flags & MIXED) !== 0,
    sum: canonical(sum, numbers.exponent),
    squares: canonical(squares, 2 * numbers.exponent),
    min,
    max,
    first: ends.first,
    last: ends.last,
    sketch,
    anomalies,
    uncertain,
    bad,
    ...readStates(fields, flags),
  };
}

function readFlags(bytes: ByteReader, count: number, others: number): number {
  const flags = bytes.byte();
  const texts = (flags & FIRST_TEXT) + ((flags & LAST_TEXT) >> 1);
  const ends = flags & (FIRST_TEXT | LAST_TEXT);
  const mixed = (flags & MIXED) !== 0;
  if (
    (others === 0 && ends > 0) ||
    (others === count && !mixed && ends < (FIRST_TEXT | LAST_TEXT)) ||
    (count > 1 && texts > others)
  )
    bytes.fail(`flags ${flags} with ${others} of ${count} readings that are no numbers`);
  const sketch = flags & (FIXED_WIDTH | NO_QUANTILES);
  if (
    (mixed && (others < count || count < 2)) ||
    ((flags & UNIT) !== 0 && others === count) ||
    (flags & (STATES | MANY_STATES)) === MANY_STATES ||
    sketch === (FIXED_WIDTH | NO_QUANTILES) ||
    (sketch > 0 && others === count)
  )
    bytes.fail(`flags ${flags} contradict each other`);
  return flags;
}

interface Numbers {
  exponent: number;
  sum: bigint;
  squares: bigint;
  low: bigint;
  high: bigint;
  min: number | undefined;
  max: number | undefined;
}

const NO_NUMBERS: Numbers = { exponent: 0, sum: 0n, squares: 0n, low: 0n, high: 0n, min: undefined, max: undefined };
const NO_ENDS: { first?: TimedValue; last?: TimedValue } = {};

function readNumbers(fields: Fields<ByteReader>, numeric: number): Numbers {
  const exponent = fields.exponents.int();
  if (exponent < -MAX_PLACES || exponent > 35)
    fields.exponents.fail(`an exponent of ${exponent} is outside of -${MAX_PLACES} to 35`);
  const sum = fields.sums.bigInt();
  const divisor = BigInt(numeric);
  const mean = floorDivide(sum, divisor);
  const squares = fields.squares.bigUint() + ceilDivide(sum * sum, divisor);
  const low = mean - fields.lows.bigUint();
  const high = mean + fields.highs.bigUint();
  return {
    exponent,
    sum,
    squares,
    low,
    high,
    min: readNumber(fields.lows, low, exponent),
    max: readNumber(fields.highs, high, exponent),
  };
}

/** The number of a mantissa, refused when its shortest decimal is another. */
function readNumber(bytes: ByteReader, mantissa: bigint, exponent: number): number {
  const value = decimalToNumber({ mantissa, exponent });
  // Up to fifteen digits the correspondence is one to one.
  if (Math.abs(Number(mantissa)) < EXACT_MANTISSA && exponent >= LEAST_MAGNITUDE && exponent <= 18) return value;
  const wanted = canonical(mantissa, exponent);
  let found: Decimal | undefined;
  try {
    found = decimalOf(value);
  } catch {
    // Out of range: refused below.
  }
  if (found === undefined || found.mantissa !== wanted.mantissa || found.exponent !== wanted.exponent)
    bytes.fail(`${mantissa}e${exponent} is not the shortest decimal of a value that a summary can hold`);
  return value;
}

function readSketch(fields: Fields<ByteReader>, flags: number, numeric: number, min: number, max: number): Sketch {
  if ((flags & NO_QUANTILES) !== 0) return { ...emptySketch(), unknown: true };
  const width = (flags & FIXED_WIDTH) === 0 ? 0 : readWidth(fields.widths);
  const sketch = emptySketch(width);
  let key = keyOf(min, width);
  const highest = keyOf(max, width);
  if (width > 0 && !(Math.max(-key, highest) <= MAX_FIXED_INDEX))
    fields.widths.fail(`buckets ${key} to ${highest} of width ${width} lie too far from zero`);
  const holes = fields.holes.uint();
  const filled = highest - key + 1 - holes;
  // The lowest and the highest bucket hold the extremes, so they are filled, and no bucket is filled by less than one.
  if (filled < Math.min(2, highest - key + 1) || filled > numeric || (width > 0 && filled > MAX_FIXED_BUCKETS))
    fields.holes.fail(`${filled} buckets between the extremes of ${numeric} numbers`);
  let left = numeric;
  for (let i = 0; i < filled - 1; i++) {
    if (i > 0) key += 1 + (holes > 0 ? fields.gaps.uint() : 0);
    const count = fields.buckets.uint();
    left -= count;
    if (count < 1 || left < 1) fields.buckets.fail('the counts of the buckets do not add up');
    if (key >= highest) fields.gaps.fail('a bucket lies above the maximum');
    setBucket(sketch, key, count);
  }
  setBucket(sketch, highest, left);
  return sketch;
}

function readWidth(bytes: ByteReader): number {
  const mantissa = bytes.bigUint();
  const exponent = bytes.int();
  if (mantissa === 0n || mantissa % 10n === 0n || exponent < -MAX_PLACES || exponent > 35)
    bytes.fail(`${mantissa}e${exponent} is no width of a bucket`);
  return readNumber(bytes, mantissa, exponent);
}

function readEnds(
  fields: Fields<ByteReader>,
  count: number,
  flags: number,
  numbers: Numbers,
  base: Base,
): { first: TimedValue; last: TimedValue } {
  const firstTime = base.time + fields.firstTimes.int();
  const lastTime = firstTime + base.span + fields.lastTimes.int();
  const firstPosition = base.position + fields.firstPositions.int();
  const lastPosition = firstPosition + fields.lastPositions.int();
  for (const integer of [firstTime, lastTime, firstPosition, lastPosition])
    if (!Number.isSafeInteger(integer)) fields.lastPositions.fail(`${integer} is not a safe integer`);
  if (firstPosition < 0 || lastPosition < 0) fields.lastPositions.fail('a position is negative');
  const first = {
    time: firstTime,
    position: firstPosition,
    value: readValue(fields.firstValues, (flags & FIRST_TEXT) !== 0, flags, numbers),
  };
  const last = {
    time: lastTime,
    position: lastPosition,
    value: readValue(fields.lastValues, (flags & LAST_TEXT) !== 0, flags, numbers),
  };
  const order = compareTimed(first, last);
  if (order > 0 || (count === 1 && order !== 0)) fields.lastTimes.fail('first and last are in the wrong order');
  return { first, last };
}

function readValue(bytes: ByteReader, isText: boolean, flags: number, numbers: Numbers): number | string {
  if (isText) return readText(bytes);
  return (flags & MIXED) === 0 ? readWithin(bytes, numbers) : readDecimal(bytes);
}

function readDecimal(bytes: ByteReader): number {
  const mantissa = bytes.bigInt();
  const exponent = bytes.int();
  if (exponent < -MAX_PLACES || exponent > 35 || (mantissa === 0n ? exponent !== 0 : mantissa % 10n === 0n))
    bytes.fail(`${mantissa}e${exponent} is not how a value is written`);
  return readNumber(bytes, mantissa, exponent);
}

function readUnit(bytes: ByteReader): string {
  const unit = readText(bytes);
  if (unit === '' || unit.length > MAX_UNIT) bytes.fail(`a unit of ${unit.length} characters`);
  return unit;
}

function readWithin(bytes: ByteReader, { exponent, low, high }: Numbers): number {
  const mantissa = low + bytes.bigUint();
  if (mantissa > high) bytes.fail('a value lies above the maximum');
  return readNumber(bytes, mantissa, exponent);
}

const whole = (mantissa: bigint): boolean => mantissa % 10n === 0n;

/** Refuses an exponent that is not the largest possible: the same summary would have two encodings. */
function refuseCoarser(
  fields: Fields<ByteReader>,
  { exponent, sum, squares, low, high }: Numbers,
  { first, last }: { first?: TimedValue; last?: TimedValue },
): void {
  if (squares === 0n) {
    if (exponent !== 0 || low !== 0n || high !== 0n)
      fields.exponents.fail('squares of zero for other numbers than zero');
    return;
  }
  if (!whole(sum) || !whole(low) || !whole(high) || squares % 100n !== 0n) return;
  for (const end of [first, last])
    if (typeof end?.value === 'number' && !whole(mantissaAt(decimalOf(end.value), exponent))) return;
  fields.exponents.fail(`an exponent of ${exponent} where a larger one does`);
}

function setBucket(sketch: Sketch, key: number, count: number): void {
  const axis = sketch.width > 0 ? 0 : AXIS;
  if (key === 0) sketch.zero = count;
  else if (key > 0) sketch.positive.set(key - axis, count);
  else sketch.negative.set(-key - axis, count);
}
