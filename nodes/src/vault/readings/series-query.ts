import { TideError } from '../../node/errors.ts';
import { mayPass } from '../disk.ts';
import { ListReader } from './list-reader.ts';
import type { OpenChunks } from './open-chunks.ts';
import { sliceColumns, withinTimes, type ReadingColumns } from './reading-columns.ts';
import type { SegmentCache } from './segment-cache.ts';
import type { SegmentEntry } from './segment-entry.ts';

/** Where a query goes on: `skip` readings of the series, counted from the begin of segment `segment`, are done. */
export interface QueryCursor {
  /** Index in the list of series asked for. */
  series: number;
  /** One above the last segment's number: what is in memory, and will be that segment. */
  segment: number;
  skip: number;
}

export interface QueryPage {
  parts: ReadingColumns[];
  /** Absent at the end. */
  next?: QueryCursor;
}

/** What a query looks at. */
export interface QuerySource {
  entries: readonly SegmentEntry[];
  /** How many readings of a series in a segment are asked for, from its begin. */
  mostOf: (entry: SegmentEntry, series: number) => number;
  /** Number that the next segment gets. */
  nextNumber: number;
  /** In order of position. */
  memory: readonly OpenChunks[];
  cache: SegmentCache;
  isShredded: (key: number) => boolean;
  /** Told of what was passed over: a chunk, or with -1 a whole segment; `thrown` is undefined for a destroyed key. */
  passed: (entry: SegmentEntry, chunk: number, thrown: TideError | undefined) => void;
}

/** Readings that a page looks at, at most, whether they are within the time or not. */
const MOST_SCANNED = 65_536;
/** Readings decoded at once out of what is in memory. */
const PIECE = 2_048;
const PIECE_BYTES = 256 * 1024;

/** Collects one page. */
export class PageQuery {
  private readonly source: QuerySource;
  private readonly from: number;
  private readonly to: number;
  private readonly parts: ReadingColumns[] = [];
  private left: number;
  private scanned = 0;
  private lists: { chunks: OpenChunks; slot: number; reader: ListReader }[];

  constructor(source: QuerySource, from: number, to: number, maxReadings: number, lists: PageQuery['lists']) {
    this.source = source;
    this.from = from;
    this.to = to;
    this.left = Math.max(1, maxReadings);
    this.lists = lists;
  }

  run(series: readonly number[], cursor: QueryCursor | undefined): QueryPage {
    for (let i = cursor?.series ?? 0; i < series.length; i++) {
      const at = cursor?.series === i ? cursor : { segment: 0, skip: 0 };
      const next = this.series(series[i], at.segment, at.skip);
      if (next !== undefined) return { parts: this.parts, next: { series: i, ...next } };
    }
    return { parts: this.parts };
  }

  private get full(): boolean {
    return this.left <= 0 || this.scanned >= MOST_SCANNED;
  }

  /** Where to go on when the page is full; undefined when the series is done. */
  private series(number: number, segment: number, skip: number): Omit<QueryCursor, 'series'> | undefined {
    // What was in memory when the cursor was given may be more than one segment by now.
    let due = skip;
    let begin = segment;
    for (const entry of this.source.entries) {
      if (entry.number < begin) continue;
      if (entry.number > begin) due = 0;
      begin = entry.number;
      if (due === 0 && !this.overlaps(entry)) continue;
      const done = this.segment(entry, number, due);
      if (done.next !== undefined) return { segment: entry.number, skip: done.next };
      due = Math.max(0, due - done.count);
      begin = entry.number + 1;
    }
    return this.memory(number, begin === this.source.nextNumber ? due : 0);
  }

  private overlaps({ timeFrom, timeTo }: { timeFrom: number; timeTo: number }): boolean {
    return timeFrom < this.to && timeTo >= this.from;
  }

  /** `count` readings of the series are in the segment; `next`, when the page is full: skip this many. */
  private segment(entry: SegmentEntry, series: number, skip: number): { count: number; next?: number } {
    const { cache, isShredded, passed } = this.source;
    const most = this.source.mostOf(entry, series);
    let count = 0;
    try {
      const file = cache.file(entry);
      const { index } = file;
      const [first, end] = file.chunksOf(series);
      for (let at = first; at < end && count < most; at++) {
        const before = count;
        count = Math.min(before + index.counts[at], most);
        if (count <= skip || !this.overlaps({ timeFrom: index.timeFrom[at], timeTo: index.timeTo[at] })) continue;
        if (isShredded(index.keys[at])) {
          passed(entry, at, undefined);
          continue;
        }
        if (this.full) return { count, next: Math.max(before, skip) };
        const columns = this.opened(entry, at);
        if (columns === undefined) continue;
        const stopped = this.take(sliceColumns(columns, 0, count - before), Math.max(0, skip - before));
        if (before + stopped < count) return { count, next: before + stopped };
      }
    } catch (thrown) {
      this.note(entry, -1, thrown);
      // How many of it were done does not matter any more.
      return { count: Infinity };
    }
    return { count };
  }

  private opened(entry: SegmentEntry, at: number): ReadingColumns | undefined {
    try {
      return this.source.cache.chunk(entry, at);
    } catch (thrown) {
      this.note(entry, at, thrown);
      return undefined;
    }
  }

  /**
   * A segment or chunk that cannot be read is passed over. What the disk does not give just now fails the query: an answer
   * without it would pass for a whole one.
   */
  private note(entry: SegmentEntry, chunk: number, thrown: unknown): void {
    if (!(thrown instanceof TideError) || mayPass(thrown)) throw thrown;
    this.source.passed(entry, chunk, thrown.code === 'shredded' ? undefined : thrown);
  }

  /** Takes readings from the `begin`th on until the page is full; the place where it stopped. */
  private take(columns: ReadingColumns, begin: number): number {
    const { times, count } = columns;
    let end = begin;
    let hits = 0;
    for (; end < count && hits < this.left; end++) if (times[end] >= this.from && times[end] < this.to) hits++;
    this.scanned += end - begin;
    this.left -= hits;
    if (hits > 0) this.parts.push(withinTimes(sliceColumns(columns, begin, end), this.from, this.to));
    return end;
  }

  private memory(series: number, skip: number): Omit<QueryCursor, 'series'> | undefined {
    let count = 0;
    for (const chunks of this.source.memory) {
      const slot = chunks.slots.of(series);
      if (slot === undefined) continue;
      const before = count;
      count += chunks.slots.counts[slot];
      if (count <= skip || !this.overlaps(chunks)) continue;
      const reader = this.reader(chunks, slot, Math.max(0, skip - before));
      while (reader.left > 0) {
        if (this.full) return { segment: this.source.nextNumber, skip: before + reader.done };
        // No more than the page has room for, so that all of a piece can be taken.
        const columns = reader.next(Math.min(PIECE, this.left), PIECE_BYTES);
        if (columns === undefined) break;
        this.take(columns, 0);
      }
    }
    return undefined;
  }

  /** A reader that stands after `skip` readings: the one that the page before left, or a new one. */
  private reader(chunks: OpenChunks, slot: number, skip: number): ListReader {
    const kept = this.lists.find((list) => list.chunks === chunks && list.slot === slot && list.reader.done === skip);
    if (kept !== undefined) return kept.reader;
    const reader = new ListReader(chunks, slot);
    while (reader.done < skip && reader.next(Math.min(PIECE, skip - reader.done), PIECE_BYTES) !== undefined);
    this.lists.splice(0, this.lists.length, { chunks, slot, reader });
    return reader;
  }
}
