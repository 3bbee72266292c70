import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import type { VarintReader } from '../varint.ts';
import type { ByteWriter } from './byte-writer.ts';

/*
 * A column's bytes: method u8 (0 as they are, 1 deflate, 2 deflate with Huffman codes alone) | varint length | bytes.
 * Raw deflate is RFC 1951; a reader need not tell 1 from 2.
 */
const STORED = 0;
const DEFLATE = 1;
const HUFFMAN = 2;
/** Below this a Huffman table costs more than it saves. */
const WORTH_PACKING = 48;
/** Bytes that are looked at to tell whether sequences come again. */
const SAMPLE = 384;
const REPEATED = 0.35;
/** A guess at the description of the codes in a deflate block, bytes. */
const TABLE = 40;

const histogram = new Uint32Array(256);
const lastSeen = new Uint16Array(4_096);

/** Bits that the bytes hold when each is taken on its own (order-0 entropy). */
export function entropyBits(bytes: Uint8Array): number {
  histogram.fill(0);
  for (let i = 0; i < bytes.length; i++) histogram[bytes[i]]++;
  let bits = 0;
  for (const n of histogram) if (n > 0) bits -= n * Math.log2(n / bytes.length);
  return bits;
}

/** Share of the sequences of three bytes that were there before, in a sample. */
function repetition(bytes: Uint8Array): number {
  lastSeen.fill(0);
  const end = Math.min(bytes.length, SAMPLE) - 2;
  let hits = 0;
  for (let i = 0; i < end; i++) {
    const key = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16);
    const slot = (Math.imul(key, 0x9e37_79b1) >>> 20) & 4_095;
    // Two different sequences that share a slot are told apart by the bytes themselves.
    const before = lastSeen[slot] - 1;
    if (
      before >= 0 &&
      bytes[before] === bytes[i] &&
      bytes[before + 1] === bytes[i + 1] &&
      bytes[before + 2] === bytes[i + 2]
    )
      hits++;
    lastSeen[slot] = i + 1;
  }
  return hits / end;
}

/** Appends bytes in the smallest of the three forms, by measured size. */
export function writePacked(out: ByteWriter, bytes: Uint8Array): void {
  let method = STORED;
  let packed = bytes;
  if (bytes.length >= WORTH_PACKING) {
    if (entropyBits(bytes) / 8 + TABLE < packed.length) {
      const huffman = deflateRawSync(bytes, { strategy: constants.Z_HUFFMAN_ONLY });
      if (huffman.length < packed.length) [method, packed] = [HUFFMAN, huffman];
    }
    if (repetition(bytes) > REPEATED) {
      const deflated = deflateRawSync(bytes);
      if (deflated.length < packed.length) [method, packed] = [DEFLATE, deflated];
    }
  }
  out.byte(method);
  out.varint(packed.length);
  out.raw(packed);
}

/** Throws RangeError when they are not `length` bytes. */
export function readPacked(reader: VarintReader, length: number): Uint8Array {
  const method = reader.take(1)[0];
  const packed = reader.take(reader.next());
  if (method > HUFFMAN) throw new RangeError(`a column packed by method ${method}`);
  const bytes = method === STORED ? packed : inflateRawSync(packed, { maxOutputLength: Math.max(length, 1) });
  if (bytes.length !== length) throw new RangeError(`a column of ${bytes.length} bytes where ${length} are expected`);
  return bytes;
}
