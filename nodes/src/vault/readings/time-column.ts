import { unzigzag, zigzag, VarintReader } from '../varint.ts';
import { ByteWriter } from './byte-writer.ts';
import { costOf, readIntegers, writeIntegers } from './integer-column.ts';
import { readPacked, writePacked } from './packed-bytes.ts';

/*
 * Times of one series: form u8 | …
 *   0 float  eight planes of bytes, each packed (a time that is no whole number)
 *   1 delta  first varint (zigzag) | base varint (zigzag) | steps minus base, as whole numbers
 *   2 double first | base | changes of the step, as whole numbers
 *   3 grid   start f64 | period f64 | gaps | residuals against round(start + k * period), as whole numbers
 * Jitter around a grid has less entropy than the steps, in which each reading's jitter shows twice. k goes up by one
 * with each reading; where readings are missing, a gap (varint since the last gap, varint more, zigzag) moves it.
 */
const FLOAT = 0;
const DELTA = 1;
const DOUBLE = 2;
const GRID = 3;
/** Beyond this a residual might not be exact. */
const MAX_WHOLE = 2 ** 49;
const MIN_GRID = 8;
const PLANES = 8;
/** Steps that are looked at to tell the usual one. */
const SAMPLE = 63;
/** Used again for each chunk. */
const listed = new ByteWriter(256);

export function writeTimes(out: ByteWriter, times: Float64Array, count: number): void {
  if (!areWhole(times, count)) {
    out.byte(FLOAT);
    writePlanes(out, times.subarray(0, count));
    return;
  }
  const base = typical(times, count);
  const deltas = new Float64Array(Math.max(count - 1, 0));
  const doubles = new Float64Array(deltas.length);
  for (let i = 1; i < count; i++) {
    const delta = times[i] - times[i - 1] - base;
    deltas[i - 1] = delta;
    doubles[i - 1] = i === 1 ? delta : delta - deltas[i - 2];
  }
  const grid = gridOf(times, count, base);
  let form: typeof DELTA | typeof DOUBLE | typeof GRID = DELTA;
  let cost = costOf(deltas, deltas.length);
  const double = costOf(doubles, doubles.length);
  if (double < cost) [form, cost] = [DOUBLE, double];
  if (grid !== undefined && costOf(grid.residuals, count) + grid.gaps.length * 8 < cost) form = GRID;
  out.byte(form);
  if (form === GRID) {
    writeGrid(out, grid!);
    return;
  }
  out.signed(times[0]);
  out.signed(base);
  const residuals = form === DELTA ? deltas : doubles;
  writeIntegers(out, residuals, residuals.length);
}

export function readTimes(reader: VarintReader, count: number): Float64Array {
  const form = reader.take(1)[0];
  if (form === FLOAT) return readPlanes(reader, count);
  if (form === GRID) return readGrid(reader, count);
  if (form !== DELTA && form !== DOUBLE) throw new RangeError(`times in form ${form}`);
  const times = new Float64Array(count);
  times[0] = unzigzag(reader.next());
  let step = unzigzag(reader.next());
  const residuals = readIntegers(reader, Math.max(count - 1, 0));
  const base = step;
  for (let i = 1; i < count; i++) {
    step = (form === DELTA ? base : step) + residuals[i - 1];
    times[i] = times[i - 1] + step;
  }
  return times;
}

function areWhole(times: Float64Array, count: number): boolean {
  for (let i = 0; i < count; i++) {
    const time = times[i];
    if (time !== Math.floor(time) || time >= MAX_WHOLE || time <= -MAX_WHOLE || Object.is(time, -0)) return false;
  }
  return true;
}

/** Median of a sample of the steps. */
function typical(times: Float64Array, count: number): number {
  if (count < 2) return 0;
  const every = Math.max(1, Math.floor((count - 1) / SAMPLE));
  const sample = new Float64Array(Math.min(SAMPLE, count - 1));
  for (let i = 0; i < sample.length; i++) sample[i] = times[1 + i * every] - times[i * every];
  return sample.toSorted()[sample.length >> 1];
}

interface Grid {
  start: number;
  period: number;
  /** Alternating: readings since the last gap, by how much k moves there. */
  gaps: number[];
  residuals: Float64Array;
}

/** The grid that fits best (least squares); undefined where there is none. */
function gridOf(times: Float64Array, count: number, step: number): Grid | undefined {
  if (count < MIN_GRID || step <= 0) return undefined;
  const places = new Float64Array(count);
  const gaps: number[] = [];
  let last = 0;
  for (let i = 1; i < count; i++) {
    const more = Math.round((times[i] - times[i - 1]) / step) - 1;
    places[i] = places[i - 1] + 1 + more;
    if (more === 0) continue;
    if (gaps.length > count >> 2) return undefined;
    gaps.push(i - last, more);
    last = i;
  }
  const { start, period } = line(places, times, count);
  if (!Number.isFinite(period) || Math.abs(places[count - 1]) > 2 ** 31) return undefined;
  const residuals = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    residuals[i] = times[i] - onGrid(start, period, places[i]);
    if (Math.abs(residuals[i]) > 2 ** 50) return undefined;
  }
  return { start, period, gaps, residuals };
}

const onGrid = (start: number, period: number, place: number): number => Math.round(start + place * period);

function line(places: Float64Array, times: Float64Array, count: number): { start: number; period: number } {
  const origin = times[0];
  let placeSum = 0;
  let timeSum = 0;
  for (let i = 0; i < count; i++) {
    placeSum += places[i];
    timeSum += times[i] - origin;
  }
  const placeMean = placeSum / count;
  const timeMean = timeSum / count;
  let square = 0;
  let product = 0;
  for (let i = 0; i < count; i++) {
    const place = places[i] - placeMean;
    square += place * place;
    product += place * (times[i] - origin - timeMean);
  }
  const period = product / square;
  return { start: origin + timeMean - placeMean * period, period };
}

function writeGrid(out: ByteWriter, { start, period, gaps, residuals }: Grid): void {
  out.float(start);
  out.float(period);
  const bytes = listed;
  bytes.reset();
  for (const [i, number] of gaps.entries()) bytes.varint(i % 2 === 0 ? number : zigzag(number));
  out.varint(gaps.length / 2);
  out.varint(bytes.length);
  writePacked(out, bytes.bytes.subarray(0, bytes.length));
  writeIntegers(out, residuals, residuals.length);
}

function readGrid(reader: VarintReader, count: number): Float64Array {
  const head = Buffer.from(reader.take(16));
  const start = head.readDoubleLE(0);
  const period = head.readDoubleLE(8);
  let gaps = reader.next();
  const moves = new VarintReader(readPacked(reader, reader.next()));
  const times = readIntegers(reader, count);
  let place = 0;
  let gapAt = gaps > 0 ? moves.next() : count;
  for (let i = 0; i < count; i++) {
    if (i > 0) place++;
    if (i === gapAt) {
      place += unzigzag(moves.next());
      gapAt = --gaps > 0 ? i + moves.next() : count;
    }
    times[i] += onGrid(start, period, place);
  }
  return times;
}

/** The bytes of each number, those of the same weight together. */
export function writePlanes(out: ByteWriter, numbers: Float64Array): void {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.length * PLANES);
  const plane = new Uint8Array(numbers.length);
  for (let p = 0; p < PLANES; p++) {
    for (let i = 0; i < plane.length; i++) plane[i] = bytes[i * PLANES + p];
    writePacked(out, plane);
  }
}

export function readPlanes(reader: VarintReader, count: number): Float64Array {
  const numbers = new Float64Array(count);
  const bytes = new Uint8Array(numbers.buffer);
  for (let p = 0; p < PLANES; p++) {
    const plane = readPacked(reader, count);
    for (let i = 0; i < count; i++) bytes[i * PLANES + p] = plane[i];
  }
  return numbers;
}
