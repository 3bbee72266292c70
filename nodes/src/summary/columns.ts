import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { ByteReader, ByteWriter } from './varint.ts';

/** Columns of fewer bytes in all are left to the frame that carries them: small ones compress better together. */
const WORTH_PACKING = 4_096;
/** How a column stands: as it is, or as one byte that all of it consists of; from 2 on that many bytes of deflate (RFC 1951). */
const PLAIN = 0;
const REPEATED = 1;

/**
 * Writes the number of columns, the length of each, how each one stands, and then their bytes. Each is compressed by
 * itself: a Huffman code for all of them together took 12.2 bytes a part of the reference signal, their own codes 10.8.
 */
export function packColumns(into: ByteWriter, columns: readonly Uint8Array[]): void {
  const worth = columns.reduce((sum, { length }) => sum + length, 0) >= WORTH_PACKING;
  const packed = columns.map((column): [how: number, bytes: Uint8Array] => (worth ? pack(column) : [PLAIN, column]));
  into.uint(columns.length);
  for (const { length } of columns) into.uint(length);
  for (const [how] of packed) into.uint(how);
  for (const [, bytes] of packed) into.append(bytes);
}

function pack(column: Uint8Array): [how: number, bytes: Uint8Array] {
  if (column.length > 1 && column.every((byte) => byte === column[0])) return [REPEATED, column.subarray(0, 1)];
  const deflated = deflateRawSync(column);
  return deflated.length > REPEATED && deflated.length < column.length ? [deflated.length, deflated] : [PLAIN, column];
}

/** The columns that `packColumns` wrote, `names` of them; at most `limit` bytes in all. Throws TideError `malformed`. */
export function unpackColumns(from: ByteReader, names: readonly string[], limit: number): ByteReader[] {
  const count = from.uint();
  if (count !== names.length) from.fail(`${count} columns instead of ${names.length}`);
  const lengths = names.map(() => from.uint());
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total > limit) from.fail(`${total} bytes of columns; at most ${limit} are read`);
  const ways = names.map((_, i) => {
    const how = from.uint();
    if (how !== PLAIN && (total < WORTH_PACKING || lengths[i] <= how))
      from.fail(`a column of ${lengths[i]} bytes, ${total} with the others, is compressed to ${how}`);
    return how;
  });
  return names.map((name, i) => new ByteReader(unpack(from, ways[i], lengths[i]), name));
}

function unpack(from: ByteReader, how: number, length: number): Uint8Array {
  if (how === PLAIN) return from.take(length);
  if (how === REPEATED) return new Uint8Array(length).fill(from.byte());
  const packed = from.take(how);
  try {
    const column = inflateRawSync(packed, { maxOutputLength: Math.max(1, length) });
    if (column.length === length) return column;
  } catch {
    // Said below, with the place.
  }
  return from.fail(`a column does not inflate to ${length} bytes`);
}
