import { TideError } from '../../node/errors.ts';
import type { Sealer } from '../keys/sealed.ts';
import { isSealed } from './first-page.ts';
import { PAGE, type Pages } from './pages.ts';

export interface RecordHead {
  /** Records are numbered without gaps from 1. */
  number: number;
  /** Position of its first reading, and how many it holds; with none, the position of the next one. */
  first: number;
  count: number;
  /** Times of its readings, epoch milliseconds. */
  timeFrom: number;
  timeTo: number;
  /** 16 bytes that stand for the boot of the machine, and milliseconds since then. */
  boot: Uint8Array;
  monotonic: number;
  /** The clock's time at writing, epoch milliseconds. */
  wall: number;
}

export interface NewRecord extends Omit<RecordHead, 'number'> {
  /** In clear; each is sealed on its own, so that a broken seal costs one. */
  boxes: readonly Uint8Array[];
}

export interface OpenedRecord extends RecordHead {
  /** Undefined: its seal is broken. */
  boxes: (Uint8Array | undefined)[];
}

/** A head with where it was written and what it follows. */
export interface PlacedHead extends RecordHead {
  sequence: number;
  /** First page of the record and number of its pages. */
  page: number;
  pages: number;
  /** Bytes of the head, and of each sealed box. */
  length: number;
  boxLengths: number[];
  /** Tag of the head of the record before; of this one. */
  previous: Uint8Array;
  tag: Uint8Array;
}

/** What a head says of its record to whoever has no key: nothing vouches for it. */
export interface ClearHead {
  number: number;
  first: number;
  count: number;
  timeFrom: number;
  timeTo: number;
  pages: number;
  keyId: number;
}

/*
 * A record fills whole pages: head | sealed boxes | zeros | copy of the head | its length u32 | tail magic 8.
 * head = magic 8 | version u32 | boxes u32 | page u32 | pages u32 | sequence, number, first, count, timeFrom, timeTo,
 *        monotonic, wall, f64 each | boot 16 | previous 16 | length of each sealed box u32 | seal 45
 * The copy makes a record readable whose first page is damaged. A box is bound to the tag of its head, which is of a
 * random nonce: what an earlier and unfinished attempt left on the same pages never passes for a part of it.
 */
const MAGIC = Buffer.from('TIDERECD', 'latin1');
const TAIL_MAGIC = Buffer.from('TIDETAIL', 'latin1');
const VERSION = 1;
const FIXED = 120;
const SEAL = 45;
const TAG = 16;
const BOOT = 16;
const TAIL = 12;
const RECORD_HEAD = 2;
const BOX = 3;
const NOTHING = new Uint8Array(0);
/** What `Sealer` adds: format, key id, nonce, tag. */
const BOX_OVERHEAD = 45;

export const TAG_BYTES = TAG;
export const SEAL_BYTES = SEAL;
const MAX_BOXES = 8_192;
export const MAX_BOX_BYTES = 64 * 1024 * 1024;
const MAX_RECORD_BYTES = 256 * 1024 * 1024;

export interface RecordPlace {
  number: number;
  sequence: number;
  page: number;
  previous: Uint8Array;
}

/** Pages that a record takes. Throws TideError `too-large`, `invalid`. */
export function pagesOf(record: NewRecord): number {
  const { boxes, boot } = record;
  if (boot.length !== BOOT)
    throw new TideError('invalid', `the boot id of a journal record has ${boot.length} bytes; it has to have ${BOOT}`);
  if (boxes.length > MAX_BOXES)
    throw new TideError('too-large', `a journal record of ${boxes.length} boxes; at most ${MAX_BOXES} are allowed`);
  const head = FIXED + 4 * boxes.length + SEAL;
  let bytes = 2 * head + TAIL;
  for (const [i, box] of boxes.entries()) {
    if (box.length > MAX_BOX_BYTES)
      throw new TideError(
        'too-large',
        `box ${i} of a journal record has ${box.length} bytes; allowed: ${MAX_BOX_BYTES}`,
      );
    bytes += box.length + BOX_OVERHEAD;
  }
  if (bytes > MAX_RECORD_BYTES)
    throw new TideError('too-large', `a journal record of ${bytes} bytes; at most ${MAX_RECORD_BYTES} are allowed`);
  return Math.ceil(bytes / PAGE);
}

/** Seals a record into `out`, which is as long as its pages. Returns the tag of its head. */
export function sealRecord(out: Buffer, record: NewRecord, place: RecordPlace, sealer: Sealer, keyId: number): Buffer {
  const { boxes } = record;
  const clear = FIXED + 4 * boxes.length;
  const length = clear + SEAL;
  out.set(MAGIC, 0);
  out.writeUInt32LE(VERSION, 8);
  out.writeUInt32LE(boxes.length, 12);
  out.writeUInt32LE(place.page, 16);
  out.writeUInt32LE(out.length / PAGE, 20);
  const numbers = [
    place.sequence,
    place.number,
    record.first,
    record.count,
    record.timeFrom,
    record.timeTo,
    record.monotonic,
    record.wall,
  ];
  for (const [i, value] of numbers.entries()) out.writeDoubleLE(value, 24 + 8 * i);
  out.set(record.boot, 88);
  out.set(place.previous, 104);
  for (const [i, box] of boxes.entries()) out.writeUInt32LE(box.length + BOX_OVERHEAD, FIXED + 4 * i);
  out.set(sealer.seal('journal', [RECORD_HEAD, out.subarray(0, clear)], NOTHING, keyId), clear);
  const tag = Buffer.from(out.subarray(length - TAG, length));
  let at = length;
  for (const [i, box] of boxes.entries()) {
    const sealed = sealer.seal('journal', [BOX, tag, i], box, keyId);
    out.set(sealed, at);
    at += sealed.length;
  }
  finish(out, length, at);
  return tag;
}

/** The head at an offset; undefined when there is none of that sequence (of any, when none is given) or its seal is broken. */
export function headAt(pages: Pages, offset: number, sealer: Sealer, sequence?: number): PlacedHead | undefined {
  const fixed = asBuffer(pages.bytes(offset, FIXED));
  if (!fixed.subarray(0, 8).equals(MAGIC) || fixed.readUInt32LE(8) !== VERSION) return undefined;
  if (sequence !== undefined && fixed.readDoubleLE(24) !== sequence) return undefined;
  const count = fixed.readUInt32LE(12);
  if (count > MAX_BOXES) return undefined;
  const clear = FIXED + 4 * count;
  const bytes = asBuffer(pages.bytes(offset, clear + SEAL));
  if (!isSealed(sealer, RECORD_HEAD, bytes.subarray(0, clear), bytes.subarray(clear))) return undefined;
  const [sequenceOfHead, number, first, records, timeFrom, timeTo, monotonic, wall] = Array.from(
    { length: 8 },
    (_, i) => bytes.readDoubleLE(24 + 8 * i),
  );
  return {
    number,
    first,
    count: records,
    timeFrom,
    timeTo,
    boot: Uint8Array.from(bytes.subarray(88, 104)),
    monotonic,
    wall,
    sequence: sequenceOfHead,
    page: bytes.readUInt32LE(16),
    pages: bytes.readUInt32LE(20),
    length: clear + SEAL,
    boxLengths: Array.from({ length: count }, (_, i) => bytes.readUInt32LE(FIXED + 4 * i)),
    previous: Uint8Array.from(bytes.subarray(104, 120)),
    tag: Uint8Array.from(bytes.subarray(clear + SEAL - TAG)),
  };
}

/** The head whose copy ends a page. */
export function headBefore(pages: Pages, page: number, sealer: Sealer, sequence?: number): PlacedHead | undefined {
  const end = (page + 1) * PAGE - TAIL;
  const tail = asBuffer(pages.bytes(end, TAIL));
  if (!tail.subarray(4).equals(TAIL_MAGIC)) return undefined;
  const length = tail.readUInt32LE(0);
  if (length < FIXED + SEAL || length > FIXED + 4 * MAX_BOXES + SEAL || length > end) return undefined;
  return headAt(pages, end - length, sealer, sequence);
}

/** The head in the place that it names, whatever its seal, when its copy is the same to the byte. */
export function clearHeadAt(pages: Pages, page: number): ClearHead | undefined {
  const fixed = asBuffer(pages.bytes(page * PAGE, FIXED));
  if (!fixed.subarray(0, 8).equals(MAGIC) || fixed.readUInt32LE(8) !== VERSION) return undefined;
  const [boxes, at, count] = [fixed.readUInt32LE(12), fixed.readUInt32LE(16), fixed.readUInt32LE(20)];
  const length = FIXED + 4 * boxes + SEAL;
  if (at !== page || boxes > MAX_BOXES || count < 1 || page + count > pages.count || length + TAIL > count * PAGE)
    return undefined;
  const head = Buffer.from(pages.bytes(page * PAGE, length));
  const copy = asBuffer(pages.bytes((page + count) * PAGE - TAIL - length, length + TAIL));
  if (!copy.subarray(0, length).equals(head) || copy.readUInt32LE(length) !== length) return undefined;
  return {
    number: head.readDoubleLE(32),
    first: head.readDoubleLE(40),
    count: head.readDoubleLE(48),
    timeFrom: head.readDoubleLE(56),
    timeTo: head.readDoubleLE(64),
    pages: count,
    keyId: head.readUInt32LE(length - SEAL + 1),
  };
}

/** Opens the boxes of a record from its pages. */
export function openBoxes(head: PlacedHead, bytes: Uint8Array, sealer: Sealer): (Uint8Array | undefined)[] {
  let at = head.length;
  return head.boxLengths.map((length, i) => {
    const sealed = bytes.subarray(at, (at += length));
    try {
      return sealer.open('journal', [BOX, head.tag, i], sealed);
    } catch (error) {
      if (error instanceof TideError && error.code === 'damaged-record') return undefined;
      throw error;
    }
  });
}

/**
 * The pages of a record as they were when a single flipped bit keeps one of its boxes from opening; undefined when it is not
 * that: more of it is broken.
 */
export function mendBox(head: PlacedHead, bytes: Uint8Array, box: number, sealer: Sealer): Buffer | undefined {
  const at = head.boxLengths.slice(0, box).reduce((sum, length) => sum + length, head.length);
  const sealed = bytes.subarray(at, at + head.boxLengths[box]);
  const mended = sealer.mended('journal', [BOX, head.tag, box], sealed);
  if (mended === undefined) return undefined;
  const pages = Buffer.from(bytes);
  pages.set(mended, at);
  return pages;
}

/** Puts all that is neither box nor whole head back as it was written; `fromCopy`: the copy is the head that is whole. */
export function mendRecord(record: Buffer, head: PlacedHead, fromCopy: boolean): void {
  const copy = record.length - TAIL - head.length;
  if (fromCopy) record.copy(record, 0, copy, copy + head.length);
  const end = head.boxLengths.reduce((sum, length) => sum + length, head.length);
  finish(record, head.length, end);
}

/** Zeros from `end` on, the copy of the head, and the tail. */
function finish(record: Buffer, length: number, end: number): void {
  const copy = record.length - TAIL - length;
  record.fill(0, end, copy);
  record.copy(record, copy, 0, length);
  record.writeUInt32LE(length, record.length - TAIL);
  record.set(TAIL_MAGIC, record.length - 8);
}

/** Whether all that is neither head nor box is as it was written: the zeros and the copy of the head. */
export function isTrimmed(head: PlacedHead, bytes: Uint8Array): boolean {
  const record = asBuffer(bytes);
  const end = head.boxLengths.reduce((sum, length) => sum + length, head.length);
  const copy = record.length - TAIL - head.length;
  return (
    record.subarray(end, copy).every((byte) => byte === 0) &&
    record.subarray(copy, copy + head.length).equals(record.subarray(0, head.length)) &&
    record.readUInt32LE(record.length - TAIL) === head.length &&
    record.subarray(record.length - 8).equals(TAIL_MAGIC)
  );
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
