import { crc32 } from 'node:zlib';
import { TideError } from '../../node/errors.ts';
import type { Place } from '../keys/sealed.ts';
import { VarintReader } from '../varint.ts';
import { ByteWriter } from './byte-writer.ts';
import { readIntegers, writeIntegers } from './integer-column.ts';
import { readTimes, writeTimes } from './time-column.ts';

/*
 * A segment, a file that is written once: head | chunks, one series after the other | footer | trailer.
 *   head     magic u32 | version u8 | number, positionFrom, positionTo, recordTo, readings, seriesCount, timeFrom,
 *            timeTo: f64 each | file id 16 random bytes | tag of the previous segment 16 | seal over all this
 *   chunk    magic u32 | crc32 of the rest of this head u32 | index u32 | series u32 | count u32 | length u32 |
 *            timeFrom f64 | timeTo f64 | sealed box of `length` bytes (chunk-codec); the head is bound to it as its place
 *   footer   sealed: the head once more, and an index of the chunks
 *   trailer  file id | length of the footer u32 | magic u32
 * What stands in clear: numbers of series, counts, times. The file id binds chunks to this very file, so that those of a
 * fold that was given up do not fit into the next file of that number; it stands twice, since nothing opens without it.
 */
const HEAD_MAGIC = 0x3153_4754;
const CHUNK_MAGIC = 0x4353_4754;
const TRAILER_MAGIC = 0x5453_4754;
const VERSION = 1;
const FILE_ID = 16;
const TAG = 16;
const NUMBERS = 8;
/** Of a sealed record that holds nothing: format, key id, nonce, tag. */
export const SEAL_BYTES = 45;
const CLEAR_HEAD = 5 + 8 * NUMBERS + FILE_ID + TAG;
export const HEAD_BYTES = CLEAR_HEAD + SEAL_BYTES;
export const CHUNK_HEAD_BYTES = 40;
export const TRAILER_BYTES = FILE_ID + 8;
const IN_HEAD = 1;
const IN_CHUNK = 2;
const IN_FOOTER = 3;

export interface SegmentHead {
  number: number;
  positionFrom: number;
  positionTo: number;
  recordTo: number;
  readings: number;
  seriesCount: number;
  timeFrom: number;
  timeTo: number;
  fileId: Uint8Array;
  previousTag: Uint8Array;
}

export interface ChunkHead {
  index: number;
  series: number;
  count: number;
  /** Bytes of the sealed box. */
  length: number;
  timeFrom: number;
  timeTo: number;
}

/** Where the chunks of a segment are; columns, one element for each chunk, in order of series. */
export interface ChunkIndex {
  count: number;
  indexes: Uint32Array;
  series: Uint32Array;
  counts: Uint32Array;
  lengths: Uint32Array;
  /** Of the chunk's head in the file. */
  offsets: Float64Array;
  timeFrom: Float64Array;
  timeTo: Float64Array;
  keys: Uint32Array;
}

export const NO_TAG: Uint8Array = new Uint8Array(TAG);

/** The last bytes of a sealed record, which no other record shares. */
export const tagOf = (sealed: Uint8Array): Uint8Array => Uint8Array.from(sealed.subarray(sealed.length - TAG));

/** Data key that a sealed record names. */
export const keyOf = (sealed: Uint8Array): number => Buffer.from(sealed.buffer, sealed.byteOffset, 5).readUInt32LE(1);

export function encodeHead(head: SegmentHead): Buffer {
  const out = Buffer.alloc(CLEAR_HEAD);
  out.writeUInt32LE(HEAD_MAGIC, 0);
  out[4] = VERSION;
  for (const [i, number] of numbersOf(head).entries()) out.writeDoubleLE(number, 5 + 8 * i);
  out.set(head.fileId, 5 + 8 * NUMBERS);
  out.set(head.previousTag, 5 + 8 * NUMBERS + FILE_ID);
  return out;
}

/** What the bytes say; whether it is true, the seal tells. Undefined where they are no head. */
export function decodeHead(bytes: Uint8Array): SegmentHead | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < CLEAR_HEAD || head.readUInt32LE(0) !== HEAD_MAGIC || head[4] !== VERSION) return undefined;
  const at = (i: number): number => head.readDoubleLE(5 + 8 * i);
  const ids = 5 + 8 * NUMBERS;
  return {
    number: at(0),
    positionFrom: at(1),
    positionTo: at(2),
    recordTo: at(3),
    readings: at(4),
    seriesCount: at(5),
    timeFrom: at(6),
    timeTo: at(7),
    fileId: Uint8Array.from(head.subarray(ids, ids + FILE_ID)),
    previousTag: Uint8Array.from(head.subarray(ids + FILE_ID, CLEAR_HEAD)),
  };
}

const numbersOf = (head: SegmentHead): number[] => [
  head.number,
  head.positionFrom,
  head.positionTo,
  head.recordTo,
  head.readings,
  head.seriesCount,
  head.timeFrom,
  head.timeTo,
];

export const headPlace = (head: SegmentHead): Place => [IN_HEAD, ...numbersOf(head), head.fileId, head.previousTag];

export const chunkPlace = (number: number, fileId: Uint8Array, chunk: Omit<ChunkHead, 'length'>): Place => [
  IN_CHUNK,
  number,
  fileId,
  chunk.index,
  chunk.series,
  chunk.count,
  chunk.timeFrom,
  chunk.timeTo,
];

export const footerPlace = (number: number, fileId: Uint8Array): Place => [IN_FOOTER, number, fileId];

export function encodeChunkHead(chunk: ChunkHead): Buffer {
  const out = Buffer.alloc(CHUNK_HEAD_BYTES);
  out.writeUInt32LE(CHUNK_MAGIC, 0);
  out.writeUInt32LE(chunk.index, 8);
  out.writeUInt32LE(chunk.series, 12);
  out.writeUInt32LE(chunk.count, 16);
  out.writeUInt32LE(chunk.length, 20);
  out.writeDoubleLE(chunk.timeFrom, 24);
  out.writeDoubleLE(chunk.timeTo, 32);
  out.writeUInt32LE(crc32(out.subarray(8)), 4);
  return out;
}

/** The head of a chunk at a place; undefined where there is none. */
export function decodeChunkHead(bytes: Buffer, at: number): ChunkHead | undefined {
  if (at + CHUNK_HEAD_BYTES > bytes.length || bytes.readUInt32LE(at) !== CHUNK_MAGIC) return undefined;
  if (bytes.readUInt32LE(at + 4) !== crc32(bytes.subarray(at + 8, at + CHUNK_HEAD_BYTES))) return undefined;
  return {
    index: bytes.readUInt32LE(at + 8),
    series: bytes.readUInt32LE(at + 12),
    count: bytes.readUInt32LE(at + 16),
    length: bytes.readUInt32LE(at + 20),
    timeFrom: bytes.readDoubleLE(at + 24),
    timeTo: bytes.readDoubleLE(at + 32),
  };
}

export function encodeTrailer(fileId: Uint8Array, footerBytes: number): Buffer {
  const out = Buffer.alloc(TRAILER_BYTES);
  out.set(fileId, 0);
  out.writeUInt32LE(footerBytes, FILE_ID);
  out.writeUInt32LE(TRAILER_MAGIC, FILE_ID + 4);
  return out;
}

export function decodeTrailer(bytes: Uint8Array): { fileId: Uint8Array; footerBytes: number; whole: boolean } {
  const trailer = Buffer.from(bytes);
  return {
    fileId: Uint8Array.from(trailer.subarray(0, FILE_ID)),
    footerBytes: trailer.readUInt32LE(FILE_ID),
    whole: trailer.readUInt32LE(FILE_ID + 4) === TRAILER_MAGIC,
  };
}

export function encodeFooter(head: SegmentHead, chunks: readonly (ChunkHead & { key: number })[]): Buffer {
  const out = new ByteWriter(16 * chunks.length + 256);
  out.raw(encodeHead(head));
  out.varint(chunks.length);
  const column = (pick: (chunk: ChunkHead & { key: number }, i: number) => number): Float64Array =>
    Float64Array.from(chunks, pick);
  writeIntegers(
    out,
    column(({ series }, i) => series - (chunks[i - 1]?.series ?? 0)),
    chunks.length,
  );
  writeIntegers(
    out,
    column(({ count }) => count),
    chunks.length,
  );
  writeIntegers(
    out,
    column(({ length }) => length),
    chunks.length,
  );
  writeIntegers(
    out,
    column(({ key }) => key),
    chunks.length,
  );
  writeTimes(
    out,
    column(({ timeFrom }) => timeFrom),
    chunks.length,
  );
  writeTimes(
    out,
    column(({ timeTo }) => timeTo),
    chunks.length,
  );
  return out.taken();
}

/** Throws RangeError or TideError `damaged-record` for what no version of this wrote. */
export function decodeFooter(bytes: Uint8Array): { head: SegmentHead; index: ChunkIndex } {
  const head = decodeHead(bytes);
  if (head === undefined) throw new TideError('damaged-record', 'the footer of a segment does not begin with its head');
  const reader = new VarintReader(bytes, CLEAR_HEAD);
  const count = reader.next();
  const series = readIntegers(reader, count);
  const counts = Uint32Array.from(readIntegers(reader, count));
  const lengths = Uint32Array.from(readIntegers(reader, count));
  const keys = Uint32Array.from(readIntegers(reader, count));
  const timeFrom = readTimes(reader, count);
  const timeTo = readTimes(reader, count);
  const offsets = new Float64Array(count);
  let offset = HEAD_BYTES;
  for (let i = 0; i < count; i++) {
    if (i > 0) series[i] += series[i - 1];
    offsets[i] = offset;
    offset += CHUNK_HEAD_BYTES + lengths[i];
  }
  const indexes = Uint32Array.from({ length: count }, (_, i) => i);
  return {
    head,
    index: { count, indexes, series: Uint32Array.from(series), counts, lengths, offsets, timeFrom, timeTo, keys },
  };
}

/** Memory that an index takes, bytes. */
export const indexBytes = ({ count }: ChunkIndex): number => count * 44;
