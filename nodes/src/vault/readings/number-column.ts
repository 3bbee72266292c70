import { unzigzag, type VarintReader } from '../varint.ts';
import type { ByteWriter } from './byte-writer.ts';
import { costOf, readIntegers, writeIntegers } from './integer-column.ts';
import { entropyBits } from './packed-bytes.ts';
import { readPlanes, writePlanes } from './time-column.ts';

/*
 * Numbers of one series: form u8 | …
 *   0 float    the eight planes of bytes
 *   1 xor      the same, each number XORed with the one before
 *   2 decimal  places u8 | exceptions (count, then each: varint since the last, f64) | predictor u8 | its parameters | residuals
 * A decimal is the number times 10^places, taken only where it reads back as the very same number. Predictors:
 *   0 level (mean)  1 the one before  2 straight on (2a - b)  3 AR(1): mean + phi * (before - mean), phi in 64ths
 */
const FLOAT = 0;
const XOR = 1;
const DECIMAL = 2;
const LEVEL = 0;
const BEFORE = 1;
const STRAIGHT = 2;
const AR = 3;
const MAX_PLACES = 9;
const POWERS = Array.from({ length: MAX_PLACES + 1 }, (_, places) => 10 ** places);
/** Up to here a decimal, and what a prediction leaves of it, is exact. */
const MAX_DECIMAL = 2 ** 50;
const PHI = 64;
/** Fewer numbers than this are not worth a choice. */
const WORTH_CHOOSING = 16;

export function writeNumbers(out: ByteWriter, numbers: Float64Array): void {
  const places = placesOf(numbers);
  if (places === undefined) {
    writeFloats(out, numbers);
    return;
  }
  const scaled = new Float64Array(numbers.length);
  const exceptions: number[] = [];
  let before = 0;
  for (let i = 0; i < numbers.length; i++) {
    const decimal = decimalOf(numbers[i], places);
    if (decimal === undefined) exceptions.push(i);
    else before = decimal;
    scaled[i] = before;
  }
  out.byte(DECIMAL);
  out.byte(places);
  out.varint(exceptions.length);
  let last = 0;
  for (const at of exceptions) {
    out.varint(at - last);
    out.float(numbers[at]);
    last = at;
  }
  writeDecimals(out, scaled);
}

export function readNumbers(reader: VarintReader, count: number): Float64Array {
  const form = reader.take(1)[0];
  if (form === FLOAT) return readPlanes(reader, count);
  if (form === XOR) return unxor(readPlanes(reader, count));
  if (form !== DECIMAL) throw new RangeError(`numbers in form ${form}`);
  const places = reader.take(1)[0];
  if (places > MAX_PLACES) throw new RangeError(`numbers of ${places} decimals`);
  const exceptions: [at: number, value: number][] = [];
  let at = 0;
  for (let left = reader.next(); left > 0; left--) {
    at += reader.next();
    exceptions.push([at, Buffer.from(reader.take(8)).readDoubleLE()]);
  }
  const numbers = readDecimals(reader, count);
  const power = POWERS[places];
  for (let i = 0; i < count; i++) numbers[i] /= power;
  for (const [i, value] of exceptions) numbers[i] = value;
  return numbers;
}

/** The whole number that divided by 10^places is exactly this number. */
function decimalOf(number: number, places: number): number | undefined {
  const decimal = Math.round(number * POWERS[places]);
  if (decimal / POWERS[places] !== number || decimal > MAX_DECIMAL || decimal < -MAX_DECIMAL) return undefined;
  return decimal === 0 && Object.is(number, -0) ? undefined : decimal;
}

/** Decimals with which all numbers but a few are exact. */
function placesOf(numbers: Float64Array): number | undefined {
  let places = 0;
  let exceptions = 0;
  for (const number of numbers) {
    let own = places;
    while (own <= MAX_PLACES && decimalOf(number, own) === undefined) own++;
    if (own <= MAX_PLACES) places = own;
    else if (++exceptions * 16 > numbers.length) return undefined;
  }
  // Numbers that were exact before the places went up may be too large after it.
  let beyond = 0;
  for (const number of numbers) if (decimalOf(number, places) === undefined) beyond++;
  return beyond * 16 > numbers.length ? undefined : places;
}

function writeDecimals(out: ByteWriter, scaled: Float64Array): void {
  const count = scaled.length;
  const { mean, phi } = shapeOf(scaled);
  const candidates = count < WORTH_CHOOSING ? [BEFORE] : phi === 0 ? [LEVEL, BEFORE, STRAIGHT] : [BEFORE, STRAIGHT, AR];
  let best = candidates[0];
  let residuals = residualsOf(scaled, best, mean, phi);
  let cost = costOf(residuals, count);
  for (const predictor of candidates.slice(1)) {
    const other = residualsOf(scaled, predictor, mean, phi);
    const otherCost = costOf(other, count);
    if (otherCost >= cost) continue;
    [best, residuals, cost] = [predictor, other, otherCost];
  }
  out.byte(best);
  if (best === LEVEL || best === AR) out.signed(mean);
  if (best === AR) out.signed(phi);
  // The first number of the others is its own residual, far from all that follow.
  if (count > 0) out.signed(residuals[0]);
  writeIntegers(out, residuals.subarray(1), Math.max(count - 1, 0));
}

function residualsOf(scaled: Float64Array, predictor: number, mean: number, phi: number): Float64Array {
  const residuals = new Float64Array(scaled.length);
  if (scaled.length === 0) return residuals;
  residuals[0] = scaled[0] - first(predictor, mean);
  for (let i = 1; i < scaled.length; i++) {
    const before = scaled[i - 1];
    if (predictor === BEFORE) residuals[i] = scaled[i] - before;
    else if (predictor === STRAIGHT) residuals[i] = scaled[i] - (2 * before - scaled[Math.max(i - 2, 0)]);
    else residuals[i] = scaled[i] - (predictor === LEVEL ? mean : autoregressive(before, mean, phi));
  }
  return residuals;
}

function readDecimals(reader: VarintReader, count: number): Float64Array {
  const predictor = reader.take(1)[0];
  if (predictor > AR) throw new RangeError(`numbers by predictor ${predictor}`);
  const mean = predictor === LEVEL || predictor === AR ? unzigzag(reader.next()) : 0;
  const phi = predictor === AR ? unzigzag(reader.next()) : 0;
  const scaled = new Float64Array(count);
  if (count === 0) return scaled;
  scaled[0] = first(predictor, mean) + unzigzag(reader.next());
  const residuals = readIntegers(reader, count - 1);
  for (let i = 1; i < count; i++) {
    const before = scaled[i - 1];
    const residual = residuals[i - 1];
    if (predictor === BEFORE) scaled[i] = residual + before;
    else if (predictor === STRAIGHT) scaled[i] = residual + (2 * before - scaled[Math.max(i - 2, 0)]);
    else scaled[i] = residual + (predictor === LEVEL ? mean : autoregressive(before, mean, phi));
  }
  return scaled;
}

const first = (predictor: number, mean: number): number => (predictor === LEVEL || predictor === AR ? mean : 0);

const autoregressive = (before: number, mean: number, phi: number): number =>
  mean + Math.round(((before - mean) * phi) / PHI);

/** Mean, and correlation of each number with the one before it (in 64ths). */
function shapeOf(scaled: Float64Array): { mean: number; phi: number } {
  let sum = 0;
  for (const number of scaled) sum += number;
  const mean = scaled.length === 0 ? 0 : Math.round(sum / scaled.length);
  let square = 0;
  let product = 0;
  let before = 0;
  for (const number of scaled) {
    const deviation = number - mean;
    square += deviation * deviation;
    product += deviation * before;
    before = deviation;
  }
  const phi = square === 0 ? 0 : Math.round((PHI * product) / square);
  return { mean, phi: Math.max(-PHI, Math.min(phi, PHI)) };
}

function writeFloats(out: ByteWriter, numbers: Float64Array): void {
  const xored = xor(numbers);
  const smaller = planeBits(xored) < planeBits(numbers);
  out.byte(smaller ? XOR : FLOAT);
  writePlanes(out, smaller ? xored : numbers);
}

function planeBits(numbers: Float64Array): number {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  let bits = 0;
  for (let p = 0; p < 8; p++) bits += entropyBits(bytes.filter((_, i) => i % 8 === p));
  return bits;
}

/** XOR of the bits of each number with those of the one before. */
function xor(numbers: Float64Array): Float64Array {
  const out = numbers.slice();
  const words = new Uint32Array(out.buffer);
  for (let i = words.length - 1; i >= 2; i--) words[i] ^= words[i - 2];
  return out;
}

function unxor(numbers: Float64Array): Float64Array {
  const words = new Uint32Array(numbers.buffer);
  for (let i = 2; i < words.length; i++) words[i] ^= words[i - 2];
  return numbers;
}
