import { randomBytes } from 'node:crypto';
import type { Clock } from '../../node/clock.ts';
import { toError } from '../../node/errors.ts';
import type { Disk, DiskFile } from '../disk.ts';
import { beginOfMonth, monthOfTime } from '../keys/key-numbers.ts';
import type { Sealer } from '../keys/sealed.ts';
import { ByteWriter } from './byte-writer.ts';
import { MAX_CHUNK_READINGS, encodeChunk } from './chunk-codec.ts';
import { ListReader } from './list-reader.ts';
import type { OpenChunks } from './open-chunks.ts';
import { sliceColumns, type ReadingColumns } from './reading-columns.ts';
import { entryOf, fileOf, unfinishedOf, type SegmentEntry } from './segment-entry.ts';
import {
  chunkPlace,
  encodeChunkHead,
  encodeFooter,
  encodeHead,
  encodeTrailer,
  footerPlace,
  headPlace,
  tagOf,
  type ChunkHead,
  type SegmentHead,
} from './segment-format.ts';

/** What seals segments. */
export interface SegmentSeals {
  sealer: Sealer;
  /**
   * Number of the data key for readings of the month (UTC) of a time; the key is durable before this returns. It is
   * asked for each chunk. A chunk holds one series and names its key, so that a series may have keys of its own
   * without another format.
   */
  keyFor(time: number, series: number): number;
  clock: Clock;
}

/**
 * Plain bytes of a chunk, about. A flipped bit costs the readings of one chunk: never more than these bytes or 8,192
 * readings; an hour of one series at 1 Hz.
 */
const CHUNK_BYTES = 64 * 1024;
/** Bytes of one write. */
const WRITE_BYTES = 128 * 1024;

/** Writes open chunks as one segment, some at a time. */
export class Fold {
  readonly head: SegmentHead;
  private readonly disk: Disk;
  private readonly seals: SegmentSeals;
  private readonly file: DiskFile;
  private readonly chunks: (ChunkHead & { key: number })[] = [];
  private readonly source: Iterator<ReadingColumns>;
  private readonly out = new ByteWriter(WRITE_BYTES + CHUNK_BYTES);
  private written = 0;
  private tag: Uint8Array | undefined;
  private syncing: 'no' | 'yes' | 'done' = 'no';
  private failure: Error | undefined;
  private abandoned = false;

  constructor(disk: Disk, seals: SegmentSeals, from: readonly OpenChunks[], head: Omit<SegmentHead, 'fileId'>) {
    this.disk = disk;
    this.seals = seals;
    this.head = { ...head, fileId: randomBytes(16) };
    this.source = chunksOf(from);
    this.file = disk.create(unfinishedOf(head.number));
    this.out.raw(encodeHead(this.head));
    this.out.raw(seals.sealer.seal('segment', headPlace(this.head), new Uint8Array(0)));
  }

  /** Works for about `budgetMs`; the entry when the segment is there for good. After a failure it throws that again. */
  step(budgetMs: number): SegmentEntry | undefined {
    if (this.failure !== undefined) throw this.failure;
    try {
      if (this.syncing === 'done') return this.finish();
      if (this.syncing === 'no') this.write(this.seals.clock.monotonic() + budgetMs);
      return undefined;
    } catch (thrown) {
      this.failure = toError(thrown);
      throw thrown;
    }
  }

  /** Gives the file up. A sync that is under way keeps the descriptor until it ends. */
  abandon(): void {
    this.abandoned = true;
    if (this.syncing !== 'yes') this.file.close();
    // Under its final name it may stand when the sync of the directory failed.
    for (const name of [unfinishedOf(this.head.number), fileOf(this.head.number)]) this.disk.remove(name);
  }

  private write(deadline: number): void {
    do {
      const { value, done } = this.source.next();
      if (done === true) {
        this.end();
        return;
      }
      this.chunk(value);
      if (this.out.length >= WRITE_BYTES) this.flush();
    } while (this.seals.clock.monotonic() < deadline);
  }

  private chunk(columns: ReadingColumns): void {
    const { series, count } = columns;
    const { timeFrom, timeTo } = spanOf(columns);
    const index = this.chunks.length;
    const key = this.seals.keyFor(columns.times[0], series);
    const place = chunkPlace(this.head.number, this.head.fileId, { index, series, count, timeFrom, timeTo });
    const sealed = this.seals.sealer.seal('chunk', place, encodeChunk(columns), key);
    const head = { index, series, count, length: sealed.length, timeFrom, timeTo };
    this.out.raw(encodeChunkHead(head));
    this.out.raw(sealed);
    this.chunks.push({ ...head, key });
  }

  private flush(): void {
    this.file.write(this.written, this.out.bytes.subarray(0, this.out.length));
    this.written += this.out.length;
    this.out.reset();
  }

  private end(): void {
    const { number, fileId } = this.head;
    const footer = this.seals.sealer.seal('segment', footerPlace(number, fileId), encodeFooter(this.head, this.chunks));
    this.tag = tagOf(footer);
    this.out.raw(footer);
    this.out.raw(encodeTrailer(fileId, footer.length));
    this.flush();
    this.syncing = 'yes';
    void this.file.syncLater().then(
      () => this.synced(undefined),
      (thrown: unknown) => this.synced(toError(thrown)),
    );
  }

  private synced(failure: Error | undefined): void {
    this.syncing = 'done';
    this.failure = failure;
    if (this.abandoned) this.file.close();
  }

  private finish(): SegmentEntry {
    const { number } = this.head;
    this.disk.rename(unfinishedOf(number), fileOf(number));
    this.disk.sync();
    this.file.close();
    const keys = this.chunks.map(({ key }) => key);
    return entryOf(this.head, fileOf(number), this.written, this.tag!, keys);
  }
}

/** All readings in order of series, within a series of position, in pieces of one month and a chunk's size. */
function* chunksOf(from: readonly OpenChunks[]): Generator<ReadingColumns, undefined> {
  const numbers = new Set<number>();
  for (const chunks of from)
    for (const number of chunks.slots.numbers.subarray(0, chunks.slots.count)) numbers.add(number);
  for (const number of Uint32Array.from(numbers).toSorted()) {
    for (const chunks of from) {
      const slot = chunks.slots.of(number);
      if (slot === undefined) continue;
      const reader = new ListReader(chunks, slot);
      for (;;) {
        const columns = reader.next(MAX_CHUNK_READINGS, CHUNK_BYTES);
        if (columns === undefined) break;
        yield* byMonth(columns);
      }
    }
  }
  return undefined;
}

export function spanOf({ times, count }: ReadingColumns): { timeFrom: number; timeTo: number } {
  let timeFrom = Infinity;
  let timeTo = -Infinity;
  for (let i = 0; i < count; i++) {
    if (times[i] < timeFrom) timeFrom = times[i];
    if (times[i] > timeTo) timeTo = times[i];
  }
  return { timeFrom, timeTo };
}

/** Cut where the month changes, because each month has its own key. Order stays as it is. */
function* byMonth(columns: ReadingColumns): Generator<ReadingColumns> {
  const { times, count } = columns;
  const { timeFrom, timeTo } = spanOf(columns);
  const from = monthOfTime(timeFrom);
  // Before 1970 and after 2199 there are no months: such times may have all others between them.
  if (from !== undefined && from === monthOfTime(timeTo)) {
    yield columns;
    return;
  }
  let begin = 0;
  let month = monthOfTime(times[0]);
  for (let i = 1; i < count; i++) {
    if (isIn(month, times[i])) continue;
    yield sliceColumns(columns, begin, i);
    begin = i;
    month = monthOfTime(times[i]);
  }
  yield sliceColumns(columns, begin, count);
}

const isIn = (month: number | undefined, time: number): boolean =>
  month === undefined ? monthOfTime(time) === undefined : time >= beginOfMonth(month) && time < beginOfMonth(month + 1);
