import type { DiskFile } from '../disk.ts';
import {
  CHUNK_HEAD_BYTES,
  HEAD_BYTES,
  decodeChunkHead,
  keyOf,
  type ChunkHead,
  type ChunkIndex,
} from './segment-format.ts';

const WINDOW = 64 * 1024;
/** A sealed record's format and key id, which follow the head. */
const KEY_BYTES = 5;

/** Finds the chunks of a segment by their heads, where its index is broken. What lies between heads is passed over. */
export function scanChunks(file: DiskFile): ChunkIndex {
  const found: (ChunkHead & { offset: number; key: number })[] = [];
  let at = HEAD_BYTES;
  let window: Buffer = Buffer.alloc(0);
  let windowAt = 0;
  while (at + CHUNK_HEAD_BYTES + KEY_BYTES <= file.size) {
    if (at < windowAt || at + CHUNK_HEAD_BYTES + KEY_BYTES > windowAt + window.length) {
      window = Buffer.from(file.read(at, WINDOW));
      windowAt = at;
      if (window.length < CHUNK_HEAD_BYTES + KEY_BYTES) break;
    }
    const head = decodeChunkHead(window, at - windowAt);
    if (head === undefined || at + CHUNK_HEAD_BYTES + head.length > file.size) {
      at++;
      continue;
    }
    const key = keyOf(window.subarray(at - windowAt + CHUNK_HEAD_BYTES, at - windowAt + CHUNK_HEAD_BYTES + KEY_BYTES));
    found.push({ ...head, offset: at, key });
    at += CHUNK_HEAD_BYTES + head.length;
  }
  return {
    count: found.length,
    indexes: Uint32Array.from(found, ({ index }) => index),
    series: Uint32Array.from(found, ({ series }) => series),
    counts: Uint32Array.from(found, ({ count }) => count),
    lengths: Uint32Array.from(found, ({ length }) => length),
    offsets: Float64Array.from(found, ({ offset }) => offset),
    timeFrom: Float64Array.from(found, ({ timeFrom }) => timeFrom),
    timeTo: Float64Array.from(found, ({ timeTo }) => timeTo),
    keys: Uint32Array.from(found, ({ key }) => key),
  };
}
