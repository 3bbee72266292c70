import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { MAX_VARINT, VarintReader, writeVarint } from './varint.ts';

/** One chunk of readings with where it came from, as it lies within a journal record. */
export interface JournalEntry {
  source: string;
  count: number;
  bytes: Uint8Array;
}

/** A record is cut when it holds this much: the unit that is sealed, written and read at once. Bytes before deflating. */
export const RECORD_BYTES = 64 * 1024;
/** Nothing that was sealed inflates beyond this. */
const MAX_RECORD_BYTES = 16 * 1024 * 1024;
const PLAIN = 0;
const DEFLATED = 1;
/** Below this deflating costs more than it saves. */
const WORTH_DEFLATING = 96;

/** `method u8 | entries`, each `source length, source, count, length, bytes`; deflated when that is shorter. */
export function encodeRecord(entries: readonly JournalEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { source, count, bytes } of entries) {
    const name = Buffer.from(source, 'utf8');
    parts.push(varint(name.length), name, varint(count), varint(bytes.length), bytes);
  }
  const body = Buffer.concat(parts);
  if (body.length >= WORTH_DEFLATING) {
    const deflated = deflateRawSync(body, { level: 3 });
    if (deflated.length < body.length) return Buffer.concat([Uint8Array.of(DEFLATED), deflated]);
  }
  return Buffer.concat([Uint8Array.of(PLAIN), body]);
}

export function decodeRecord(record: Uint8Array): JournalEntry[] {
  if (record[0] !== PLAIN && record[0] !== DEFLATED) throw new RangeError(`a journal record of method ${record[0]}`);
  const rest = record.subarray(1);
  const body = record[0] === PLAIN ? rest : inflateRawSync(rest, { maxOutputLength: MAX_RECORD_BYTES });
  const reader = new VarintReader(body);
  const entries: JournalEntry[] = [];
  while (reader.at < body.length) {
    const source = Buffer.from(reader.take(reader.next())).toString('utf8');
    const count = reader.next();
    entries.push({ source, count, bytes: reader.take(reader.next()) });
  }
  return entries;
}

function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(MAX_VARINT);
  return bytes.subarray(0, writeVarint(bytes, 0, value));
}
