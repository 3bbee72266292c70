import { decimalOf, mantissaAt, type Decimal } from './decimal.ts';
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
import type { Sketch } from './sketch.ts';
import { hasStates, writeStates, writeText } from './states-codec.ts';
import type { Summary } from './summary.ts';
import type { ByteWriter } from './varint.ts';

/** Writes the one encoding of a summary. */
export function writeSummary(fields: Fields<ByteWriter>, summary: Summary, base: Base): void {
  fields.counts.uint(summary.count);
  fields.others.uint(summary.count - summary.numeric);
  fields.anomalies.uint(summary.anomalies);
  fields.uncertain.uint(summary.uncertain);
  fields.bad.uint(summary.bad);
  if (summary.count > 0) fields.flags.byte(flagsOf(summary));
  const { first, last, min, max, unit } = summary;
  if (unit !== undefined) writeText(fields.units, unit, 0);
  let exponent = 0;
  let low = 0n;
  if (min !== undefined && max !== undefined) {
    const lowest = decimalOf(min);
    const highest = decimalOf(max);
    exponent = commonExponent(summary, lowest, highest);
    low = mantissaAt(lowest, exponent);
    fields.exponents.int(exponent);
    writeNumbers(fields, summary, exponent, low, mantissaAt(highest, exponent));
    writeSketch(fields, summary.sketch, min, max);
  }
  if (first === undefined || last === undefined) return;
  fields.firstTimes.int(first.time - base.time);
  fields.lastTimes.int(last.time - first.time - base.span);
  fields.firstPositions.int(first.position - base.position);
  fields.lastPositions.int(last.position - first.position);
  for (const [bytes, { value }] of [
    [fields.firstValues, first],
    [fields.lastValues, last],
  ] as const) {
    if (typeof value === 'string') writeText(bytes, value, 0);
    else if (summary.mixed) writeDecimal(bytes, decimalOf(value));
    else bytes.bigUint(mantissaAt(decimalOf(value), exponent) - low);
  }
  if (hasStates(summary)) writeStates(fields, summary);
}

function flagsOf(summary: Summary): number {
  const { first, last, sketch, states, unit, mixed } = summary;
  return (
    (typeof first?.value === 'string' ? FIRST_TEXT : 0) |
    (typeof last?.value === 'string' ? LAST_TEXT : 0) |
    (hasStates(summary) ? STATES : 0) |
    (states === 'many' ? MANY_STATES : 0) |
    (sketch.width > 0 ? FIXED_WIDTH : 0) |
    (sketch.unknown ? NO_QUANTILES : 0) |
    (unit === undefined ? 0 : UNIT) |
    (mixed ? MIXED : 0)
  );
}

/** The largest exponent at which all decimals of the summary are whole; 0 when all are zero. */
function commonExponent({ sum, squares, first, last }: Summary, ...others: Decimal[]): number {
  let lowest = Infinity;
  const consider = ({ mantissa, exponent }: Decimal): void => {
    if (mantissa !== 0n && exponent < lowest) lowest = exponent;
  };
  consider(sum);
  if (squares.mantissa !== 0n) lowest = Math.min(lowest, Math.floor(squares.exponent / 2));
  for (const other of others) consider(other);
  for (const end of [first, last]) if (typeof end?.value === 'number') consider(decimalOf(end.value));
  return lowest === Infinity ? 0 : lowest;
}

function writeNumbers(fields: Fields<ByteWriter>, summary: Summary, exponent: number, low: bigint, high: bigint): void {
  const numeric = BigInt(summary.numeric);
  const sum = mantissaAt(summary.sum, exponent);
  const mean = floorDivide(sum, numeric);
  fields.sums.bigInt(sum);
  fields.squares.bigUint(mantissaAt(summary.squares, 2 * exponent) - ceilDivide(sum * sum, numeric));
  fields.lows.bigUint(mean - low);
  fields.highs.bigUint(high - mean);
}

function writeSketch(fields: Fields<ByteWriter>, sketch: Sketch, min: number, max: number): void {
  const { width, unknown } = sketch;
  if (unknown) return;
  const axis = width > 0 ? 0 : AXIS;
  if (width > 0) {
    const { mantissa, exponent } = decimalOf(width);
    fields.widths.bigUint(mantissa);
    fields.widths.int(exponent);
  }
  const filled: [key: number, count: number][] = [];
  for (const [bucket, count] of sketch.positive) filled.push([bucket + axis, count]);
  for (const [bucket, count] of sketch.negative) filled.push([-bucket - axis, count]);
  if (sketch.zero > 0) filled.push([0, sketch.zero]);
  if (filled.length > 1) filled.sort((a, b) => a[0] - b[0]);
  const holes = keyOf(max, width) - keyOf(min, width) + 1 - filled.length;
  fields.holes.uint(holes);
  for (let i = 0; i < filled.length - 1; i++) {
    if (holes > 0 && i > 0) fields.gaps.uint(filled[i][0] - filled[i - 1][0] - 1);
    fields.buckets.uint(filled[i][1]);
  }
}

/** Of numbers that have no minimum to be counted from. */
function writeDecimal(bytes: ByteWriter, { mantissa, exponent }: Decimal): void {
  bytes.bigInt(mantissa);
  bytes.int(exponent);
}
