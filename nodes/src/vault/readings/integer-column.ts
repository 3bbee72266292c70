import { unzigzag, VarintReader } from '../varint.ts';
import { ByteWriter } from './byte-writer.ts';
import { readPacked, writePacked } from './packed-bytes.ts';

/*
 * Whole numbers around zero, as residuals of a prediction are: mode u8 | …
 *   0  all are the same: varint (zigzag)
 *   1  shift k u8 | symbols, packed | low k bits of each, low bits first | varint length of the escapes | escapes, packed
 * A symbol is (number >> k) + 127; 255 says that the number is the next escape (zigzag varint). The low bits of a wide
 * distribution are as good as random, so that they stand as they are and the symbols carry all that can be saved.
 */
const SAME = 0;
const SYMBOLS = 1;
const BIAS = 127;
const ESCAPE = 255;
const MAX_SHIFT = 22;
/** One number in so many may be an escape before the shift grows. */
const ESCAPES = 256;

const lengths = new Uint32Array(64);
const near = new Uint32Array(256);
const escapes = new ByteWriter(1_024);

/** About how many bits the numbers take: to choose between predictions, without packing anything. */
export function costOf(numbers: Float64Array, count: number): number {
  near.fill(0);
  let far = 0;
  let bits = 0;
  for (let i = 0; i < count; i++) {
    const number = numbers[i];
    if (number >= -BIAS && number <= BIAS) near[number + BIAS]++;
    else {
      far++;
      bits += bitLength(number);
    }
  }
  if (far > 0) bits += far * (2 + Math.log2(count / far));
  for (const n of near) if (n > 0) bits -= n * Math.log2(n / count);
  return bits;
}

/** Bits of the magnitude. */
function bitLength(number: number): number {
  const magnitude = Math.abs(number);
  return magnitude < 2 ** 31 ? 32 - Math.clz32(magnitude) : Math.floor(Math.log2(magnitude)) + 1;
}

/** Lowest shift with which few numbers are escapes. */
function shiftFor(numbers: Float64Array, count: number): number {
  lengths.fill(0);
  for (let i = 0; i < count; i++) lengths[bitLength(numbers[i])]++;
  let beyond = 0;
  let bits = 63;
  while (bits > 7 && beyond + lengths[bits] <= count / ESCAPES) beyond += lengths[bits--];
  // What is left of the magnitude after the shift fits 7 bits.
  return Math.min(Math.max(bits - 7, 0), MAX_SHIFT);
}

/** Magnitudes up to 2^52. */
export function writeIntegers(out: ByteWriter, numbers: Float64Array, count: number): void {
  let same = true;
  for (let i = 1; i < count && same; i++) same = numbers[i] === numbers[0];
  if (same) {
    out.byte(SAME);
    out.signed(count === 0 ? 0 : numbers[0]);
    return;
  }
  const shift = shiftFor(numbers, count);
  const symbols = new Uint8Array(count);
  const low = new Uint8Array(Math.ceil((count * shift) / 8));
  escapes.reset();
  const limit = BIAS * 2 ** shift;
  const mask = (1 << shift) - 1;
  let bit = 0;
  for (let i = 0; i < count; i++) {
    const number = numbers[i];
    if (number < -limit || number >= limit) {
      symbols[i] = ESCAPE;
      escapes.signed(number);
      bit += shift;
      continue;
    }
    symbols[i] = (number >> shift) + BIAS;
    if (shift > 0) putBits(low, bit, number & mask);
    bit += shift;
  }
  out.byte(SYMBOLS);
  out.byte(shift);
  writePacked(out, symbols);
  out.raw(low);
  out.varint(escapes.length);
  if (escapes.length > 0) writePacked(out, escapes.bytes.subarray(0, escapes.length));
}

export function readIntegers(reader: VarintReader, count: number): Float64Array {
  const numbers = new Float64Array(count);
  const mode = reader.take(1)[0];
  if (mode === SAME) return numbers.fill(unzigzag(reader.next()));
  if (mode !== SYMBOLS) throw new RangeError(`whole numbers in form ${mode}`);
  const shift = reader.take(1)[0];
  if (shift > MAX_SHIFT) throw new RangeError(`whole numbers with a shift of ${shift}`);
  const symbols = readPacked(reader, count);
  const low = reader.take(Math.ceil((count * shift) / 8));
  const escaped = takeEscapes(reader);
  let bit = 0;
  for (let i = 0; i < count; i++) {
    const symbol = symbols[i];
    if (symbol === ESCAPE) numbers[i] = unzigzag(escaped.next());
    else numbers[i] = shift === 0 ? symbol - BIAS : ((symbol - BIAS) << shift) | getBits(low, bit, shift);
    bit += shift;
  }
  return numbers;
}

function takeEscapes(reader: VarintReader): VarintReader {
  const length = reader.next();
  return new VarintReader(length === 0 ? new Uint8Array(0) : readPacked(reader, length));
}

function putBits(bytes: Uint8Array, bit: number, value: number): void {
  let at = bit >> 3;
  let rest = value << (bit & 7);
  while (rest !== 0) {
    bytes[at++] |= rest & 0xff;
    rest >>>= 8;
  }
}

function getBits(bytes: Uint8Array, bit: number, width: number): number {
  const at = bit >> 3;
  const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
  return (word >>> (bit & 7)) & ((1 << width) - 1);
}
