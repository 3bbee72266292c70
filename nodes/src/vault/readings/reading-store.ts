import { TideError } from '../../node/errors.ts';
import { mayPass, type Disk, type Finding } from '../disk.ts';
import { Fold, type SegmentSeals } from './fold.ts';
import { OpenChunks } from './open-chunks.ts';
import { FULL_BYTES, figuresOf, isFoldDue, type OpenFigures } from './open-figures.ts';
import { SegmentCache } from './segment-cache.ts';
import { leftOf, type SegmentEntry } from './segment-entry.ts';
import { NO_TAG } from './segment-format.ts';
import { PageQuery, type QueryCursor, type QueryPage } from './series-query.ts';
import { countIn, type SeriesSlots } from './series-slots.ts';
import { SLAB_BYTES, SlabPool } from './slabs.ts';
import { takeStock } from './take-stock.ts';
import { verifySegments } from './verify-segments.ts';

export type { ReadingColumns } from './reading-columns.ts';
export type { QueryCursor, QueryPage } from './series-query.ts';
export type { SegmentEntry } from './segment-entry.ts';
export type { SegmentSeals } from './fold.ts';

/** Broken chunks that are counted. */
const MOST_NOTED = 100_000;
/** Slabs that are kept for the next open chunks. */
const KEPT_SLABS = FULL_BYTES / SLAB_BYTES;

export interface StoreCounts {
  /** Chunks that queries found broken, and segments that were gone or did not open; each is counted once. */
  damaged: number;
  /** Chunks that queries passed over since their key was destroyed. */
  shredded: number;
  segments: number;
  /** Readings and bytes in segments. */
  readings: number;
  bytes: number;
}

/**
 * The readings' part of the vault: open chunks in memory, which a fold writes as one immutable segment. It is not
 * durable by itself: what has not been folded is added again from the journal after a crash.
 */
export class ReadingStore {
  private readonly disk: Disk;
  private readonly fullBytes: number;
  private readonly seals: SegmentSeals;
  private readonly cache: SegmentCache;
  private readonly pool = new SlabPool(KEPT_SLABS);
  private segments: SegmentEntry[];
  private last: { number: number; tag: Uint8Array };
  private current: OpenChunks;
  private frozen: OpenChunks[] = [];
  /** Those of the frozen ones that the fold under way writes. */
  private folded: OpenChunks[] = [];
  /** What was in memory when `freeze` was called, and is still. */
  private marked: OpenChunks[] = [];
  /** The segment in which that lies together with later readings: how many of each series came before. */
  private cut: { segment: number; slots: SeriesSlots[] } | undefined;
  private fold: Fold | undefined;
  private readonly damaged = new Set<string>();
  private readonly withoutKey = new Set<string>();
  private readonly shredded = new Set<number>();
  private readonly lists: ConstructorParameters<typeof PageQuery>[4] = [];
  /** Told of what a query could not open, once of each: a chunk, or with -1 a whole segment. */
  onBroken: ((entry: SegmentEntry, thrown: TideError, chunk: number) => void) | undefined;

  /**
   * `known`: what the catalogue says, believed where names, sizes and heads agree; undefined when it was lost.
   * `last`: number and tag of the newest segment there ever was, where all of them may have been removed since.
   * A segment that is not known is taken in: it was finished just before a crash. `fullBytes`: memory at which a fold is due.
   */
  static open(
    disk: Disk,
    seals: SegmentSeals,
    known: readonly SegmentEntry[] | undefined,
    last?: { number: number; tag: Uint8Array },
    fullBytes = FULL_BYTES,
  ): { store: ReadingStore; findings: Finding[] } {
    const { entries, findings } = takeStock(disk, seals.sealer, known);
    const earlier = [...(known ?? []), ...(last ? [last] : [])];
    return { store: new ReadingStore(disk, seals, entries, earlier, fullBytes), findings };
  }

  private constructor(
    disk: Disk,
    seals: SegmentSeals,
    entries: SegmentEntry[],
    known: readonly { number: number; tag: Uint8Array }[],
    fullBytes: number,
  ) {
    this.fullBytes = fullBytes;
    this.disk = disk;
    this.seals = seals;
    this.segments = entries;
    this.cache = new SegmentCache(disk, seals.sealer);
    this.last = { number: 0, tag: NO_TAG };
    for (const { number, tag } of [...known, ...entries]) if (number > this.last.number) this.last = { number, tag };
    this.current = new OpenChunks(this.pool);
  }

  /** In order of number. */
  entries(): readonly SegmentEntry[] {
    return this.segments;
  }

  /** What the next fold takes: also what was frozen or left by a fold that failed. */
  get open(): OpenFigures {
    return figuresOf([...this.frozen.filter((chunks) => !this.folding || !this.folded.includes(chunks)), this.current]);
  }

  /** What the fold under way takes. */
  get waiting(): OpenFigures {
    return figuresOf(this.folding ? this.folded : []);
  }

  get counts(): StoreCounts {
    const sum = (pick: (entry: SegmentEntry) => number): number =>
      this.segments.reduce((all, entry) => all + pick(entry), 0);
    return {
      damaged: this.damaged.size,
      shredded: this.withoutKey.size,
      segments: this.segments.length,
      readings: sum((entry) => leftOf(entry).readings),
      bytes: sum(({ bytes }) => bytes),
    };
  }

  /**
   * Takes the readings of a batch (batch-codec) into the open chunks. `position` is that of the batch's first
   * reading, also when the first `skip` are left out; at most `take` follow these.
   */
  add(chunkBytes: Uint8Array, position: number, skip = 0, take = Infinity): void {
    this.current.add(chunkBytes, position, skip, take, this.seals.clock.now());
  }

  /** `now`: wall time, epoch milliseconds. No while a fold is under way. */
  foldDue(now: number): boolean {
    if (this.folding) return false;
    return isFoldDue(figuresOf([...this.frozen, this.current]), now, this.fullBytes);
  }

  /**
   * Keeps what is open apart from what comes: a query `below` the present head then finds just that, whatever is added or
   * folded meanwhile. Holds until the next time, and while the store is open.
   */
  freeze(): void {
    if (this.current.readings > 0) {
      this.frozen = [...this.frozen, this.current];
      this.current = new OpenChunks(this.pool);
    }
    this.marked = this.frozen;
    this.cut = undefined;
  }

  get folding(): boolean {
    return this.fold !== undefined;
  }

  /**
   * Freezes what is open and begins a segment of it. `recordTo`: last journal record that it includes; `positionTo`:
   * position after its last reading. Throws TideError `busy` while a fold is under way, `empty` when there is nothing.
   */
  startFold(recordTo: number, positionTo: number): void {
    if (this.folding) throw new TideError('busy', 'a fold is under way');
    const from = [...this.frozen, this.current].filter(({ readings }) => readings > 0);
    if (from.length === 0) throw new TideError('empty', 'there are no readings to fold');
    const { positionFrom, readings, series } = figuresOf(from);
    this.fold = new Fold(this.disk, this.seals, from, {
      number: this.last.number + 1,
      positionFrom,
      positionTo,
      recordTo,
      readings,
      seriesCount: series,
      timeFrom: Math.min(...from.map(({ timeFrom }) => timeFrom)),
      timeTo: Math.max(...from.map(({ timeTo }) => timeTo)),
      previousTag: this.last.tag,
    });
    this.frozen = from;
    this.folded = from;
    if (from.includes(this.current)) this.current = new OpenChunks(this.pool);
  }

  /**
   * Goes on with the fold for about `budgetMs`; the entry once the segment is synced and has its name. Undefined also
   * while the sync is under way. Throws what the disk throws (`disk-full`, `io`), again and again until `abandonFold`.
   */
  foldStep(budgetMs: number): SegmentEntry | undefined {
    const entry = this.fold?.step(budgetMs);
    if (entry === undefined) return undefined;
    this.segments = [...this.segments, entry];
    this.last = entry;
    this.fold = undefined;
    this.lists.length = 0;
    const before = this.folded.filter((chunks) => this.marked.includes(chunks));
    if (before.length > 0 && before.length < this.folded.length)
      this.cut = { segment: entry.number, slots: before.map(({ slots }) => slots) };
    this.marked = this.marked.filter((chunks) => !before.includes(chunks));
    for (const chunks of this.folded) chunks.release();
    this.frozen = this.frozen.filter((chunks) => !this.folded.includes(chunks));
    this.folded = [];
    return entry;
  }

  /** After a failure: the file goes, the readings stay, and the next fold takes them with those added since. */
  abandonFold(): void {
    const { fold } = this;
    this.fold = undefined;
    fold?.abandon();
  }

  /**
   * Readings of some series with times at or after `from` and before `to`: series in the order given, within a series
   * in order of position. At most `maxReadings`, and fewer when many were looked at in vain. Segments and chunks that
   * do not open are passed over and counted. `below`: the head when `freeze` was called last, or when a fold began.
   */
  query(
    series: readonly number[],
    from: number,
    to: number,
    cursor: QueryCursor | undefined,
    maxReadings: number,
    below = Infinity,
  ): QueryPage {
    const source = {
      entries: this.segments.filter(({ number, positionTo }) => positionTo <= below || number === this.cut?.segment),
      mostOf: ({ number, positionTo }: SegmentEntry, wanted: number): number =>
        positionTo <= below || number !== this.cut?.segment ? Infinity : countIn(this.cut.slots, wanted),
      nextNumber: this.last.number + 1,
      memory: [...this.frozen, this.current].filter(({ positionTo }) => positionTo <= below),
      cache: this.cache,
      isShredded: this.isShredded,
      passed: this.passed,
    };
    return new PageQuery(source, from, to, maxReadings, this.lists).run(series, cursor);
  }

  /** What a segment says of one of its chunks. Throws what its file throws. */
  chunkOf(entry: SegmentEntry, chunk: number): { series: number; readings: number; times: [number, number] } {
    const { series, counts, timeFrom, timeTo } = this.cache.file(entry).index;
    return { series: series[chunk], readings: counts[chunk], times: [timeFrom[chunk], timeTo[chunk]] };
  }

  /** Readings of a segment under some data keys, and their times; all of it where its index cannot be read. */
  readingsUnder(entry: SegmentEntry, ids: ReadonlySet<number>): { readings: number; times: [number, number] } {
    try {
      const { count, keys, counts, timeFrom, timeTo } = this.cache.file(entry).index;
      let [readings, from, to] = [0, Infinity, -Infinity];
      for (let at = 0; at < count; at++) {
        if (!ids.has(keys[at])) continue;
        readings += counts[at];
        from = Math.min(from, timeFrom[at]);
        to = Math.max(to, timeTo[at]);
      }
      return { readings, times: readings === 0 ? [entry.timeFrom, entry.timeTo] : [from, to] };
    } catch (thrown) {
      if (!(thrown instanceof TideError) || mayPass(thrown)) throw thrown;
      return { readings: entry.readings, times: [entry.timeFrom, entry.timeTo] };
    }
  }

  /** Removes a segment's file, for good when this returns. */
  remove(number: number): void {
    const entry = this.segments.find((segment) => segment.number === number);
    if (entry === undefined) return;
    this.cache.drop(number);
    this.segments = this.segments.filter((segment) => segment !== entry);
    this.disk.remove(entry.file);
    this.disk.sync();
  }

  /**
   * After data keys were destroyed: segments of nothing else are removed, entries of the others change. Chunks that the
   * sealer calls `shredded` count as such anyway; those of the keys named here are not even read.
   */
  dropMonths(ids: ReadonlySet<number>): { removed: number[]; changed: SegmentEntry[] } {
    for (const id of ids) this.shredded.add(id);
    const removed: number[] = [];
    const changed: SegmentEntry[] = [];
    for (const entry of this.segments) {
      const months = entry.months.filter((id) => !this.isShredded(id));
      if (months.length === entry.months.length) continue;
      if (months.length === 0) removed.push(entry.number);
      else changed.push(this.without(entry, months));
      this.cache.drop(entry.number);
    }
    this.segments = this.segments.map((entry) => changed.find(({ number }) => number === entry.number) ?? entry);
    for (const number of removed) this.remove(number);
    return { removed, changed };
  }

  /** Entries that were read out of their segments, or come from before a shred, and say too much: what they are now. */
  reckon(shredded: (key: number) => boolean): SegmentEntry[] {
    const changed = this.segments
      .filter(({ left, months }) => left === undefined && months.some(shredded))
      .map((entry) =>
        this.without(
          entry,
          entry.months.filter((id) => !shredded(id)),
        ),
      );
    this.segments = this.segments.map((entry) => changed.find(({ number }) => number === entry.number) ?? entry);
    return changed;
  }

  /** Reads all segments anew and names what is not as it was written. */
  *verify(): Generator<Finding> {
    for (const finding of this.verifySteps()) if (finding !== undefined) yield finding;
  }

  /** The same in steps: undefined after each chunk. */
  verifySteps(): Generator<Finding | undefined> {
    return verifySegments(this.disk, this.seals.sealer, this.segments, this.isShredded);
  }

  /** A fold that is under way is given up. */
  close(): void {
    this.abandonFold();
    this.cache.close();
  }

  private without(entry: SegmentEntry, months: readonly number[]): SegmentEntry {
    const { readings, times } = this.readingsUnder(entry, new Set(months));
    // The months of one that has nothing left stay, so that the next shred finds and removes it.
    return { ...entry, ...(months.length > 0 && { months }), left: { readings, timeFrom: times[0] } };
  }

  private readonly passed = (entry: SegmentEntry, chunk: number, thrown: TideError | undefined): void => {
    const where = `${entry.number} ${chunk}`;
    const list = thrown === undefined ? this.withoutKey : this.damaged;
    if (list.has(where) || list.size >= MOST_NOTED) return;
    list.add(where);
    if (thrown !== undefined) this.onBroken?.(entry, thrown, chunk);
  };

  private readonly isShredded = (key: number): boolean => this.shredded.has(key);
}
