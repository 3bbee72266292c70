import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import type { AppendItem } from '../engine.ts';
import { MAX_VARINT, VarintReader, writeVarint } from '../varint.ts';
import { effectSchema, type Effect } from './effects.ts';

/**
 * What lies in the boxes of a journal record. A box is what one broken seal costs, so readings are cut at `BOX_BYTES`,
 * and each box says where it stands: those after a broken one keep their positions.
 */
export type Box =
  | { kind: 'readings'; offset: number; entries: BoxEntry[] }
  | { kind: 'effects'; effects: Effect[] }
  | { kind: 'receipts'; bytes: Uint8Array };

/** Readings that came through one door in one batch. */
export interface BoxEntry {
  source: string;
  count: number;
  timeFrom: number;
  timeTo: number;
  /** Of batch-codec. */
  bytes: Uint8Array;
}

/** Plain bytes after which a box is closed. */
export const BOX_BYTES = 64 * 1024;
/** Nothing that was sealed inflates beyond this. */
const MAX_BOX_BYTES = 96 * 1024 * 1024;
const READINGS = 1;
const EFFECTS = 2;
const RECEIPTS = 3;
const DEFLATED = 0x80;
/** Below this deflating costs more than it saves. */
const WORTH_DEFLATING = 96;
/** A small commit is padded to whole pages on the card: there the better compression pays. */
const SMALL_BYTES = 32 * 1024;

/** Readings of the appends of one commit, in boxes; `offset` counts from the record's first position. */
export function readingBoxes(items: readonly AppendItem[]): Uint8Array[] {
  const boxes: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let offset = 0;
  let boxOffset = 0;
  const close = (): void => {
    if (parts.length === 0) return;
    boxes.push(pack(READINGS, Buffer.concat([varint(boxOffset), ...parts])));
    parts = [];
    bytes = 0;
  };
  for (const { source, chunks } of items) {
    const name = Buffer.from(source, 'utf8');
    for (const chunk of chunks) {
      if (parts.length === 0) boxOffset = offset;
      parts.push(varint(name.length), name, varint(chunk.count), times(chunk.timeFrom, chunk.timeTo));
      parts.push(varint(chunk.bytes.length), chunk.bytes);
      bytes += chunk.bytes.length;
      offset += chunk.count;
      if (bytes >= BOX_BYTES) close();
    }
  }
  close();
  return boxes;
}

/** Everything else that a commit did, in order; large ones get a box of their own. */
export function effectBoxes(effects: readonly Effect[]): Uint8Array[] {
  const boxes: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const close = (): void => {
    if (parts.length > 0) boxes.push(pack(EFFECTS, Buffer.concat(parts)));
    parts = [];
    bytes = 0;
  };
  for (const effect of effects) {
    const encoded = encodeCbor(effect);
    parts.push(varint(encoded.length), encoded);
    bytes += encoded.length;
    if (bytes >= BOX_BYTES) close();
  }
  close();
  return boxes;
}

export function receiptBox(encoded: Uint8Array): Uint8Array {
  return pack(RECEIPTS, encoded);
}

/** Throws RangeError for what no version of this wrote. */
export function openBox(box: Uint8Array): Box {
  const body =
    (box[0] & DEFLATED) === 0 ? box.subarray(1) : inflateRawSync(box.subarray(1), { maxOutputLength: MAX_BOX_BYTES });
  switch (box[0] & ~DEFLATED) {
    case READINGS:
      return readReadings(body);
    case EFFECTS:
      return { kind: 'effects', effects: readEffects(body) };
    case RECEIPTS:
      return { kind: 'receipts', bytes: body };
    default:
      throw new RangeError(`a journal box of kind ${box[0]}`);
  }
}

function readReadings(body: Uint8Array): Box {
  const reader = new VarintReader(body);
  const offset = reader.next();
  const entries: BoxEntry[] = [];
  while (reader.at < body.length) {
    const source = Buffer.from(reader.take(reader.next())).toString('utf8');
    const count = reader.next();
    const span = reader.take(16);
    const view = new DataView(span.buffer, span.byteOffset, 16);
    const [timeFrom, timeTo] = [view.getFloat64(0, true), view.getFloat64(8, true)];
    entries.push({ source, count, timeFrom, timeTo, bytes: reader.take(reader.next()) });
  }
  return { kind: 'readings', offset, entries };
}

const effectsSchema = z.array(effectSchema);

function readEffects(body: Uint8Array): Effect[] {
  const reader = new VarintReader(body);
  const effects: unknown[] = [];
  while (reader.at < body.length) effects.push(decodeCbor(reader.take(reader.next())));
  return effectsSchema.parse(effects);
}

function pack(kind: number, body: Uint8Array): Uint8Array {
  if (body.length >= WORTH_DEFLATING && kind !== RECEIPTS) {
    const deflated = deflateRawSync(body, { level: body.length < SMALL_BYTES ? 6 : 3 });
    if (deflated.length < body.length) return Buffer.concat([Uint8Array.of(kind | DEFLATED), deflated]);
  }
  return Buffer.concat([Uint8Array.of(kind), body]);
}

function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(MAX_VARINT);
  return bytes.subarray(0, writeVarint(bytes, 0, value));
}

function times(from: number, to: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeDoubleLE(from, 0);
  bytes.writeDoubleLE(to, 8);
  return bytes;
}
