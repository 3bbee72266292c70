import type { Clock } from '../../node/clock.ts';
import { reasonOf, toError } from '../../node/errors.ts';
import { engineError } from '../catalogue/sqlite-schema.ts';
import { SnapshotWriter, snapshots } from '../catalogue/sqlite-snapshot.ts';
import type { SegmentEntry } from '../readings/reading-store.ts';
import type { BlockFileWriter } from './block-files.ts';
import type { BudgetKeeper } from './budget-keeper.ts';
import { JournalRelease } from './journal-release.ts';
import type { Parts } from './sqlite-parts.ts';

/** How long the catalogue's transaction stays open: what a crash makes the next start apply again. */
const FLUSH_MS = 15 * 60_000;
/** Without readings a fold only makes a snapshot; that often, at most. */
const QUIET_FOLD_MS = 24 * 3_600_000;
const SLICE_MS = 5;
/** Memory of readings at which folding takes more of the thread, bytes: what comes in faster than that waits. */
const PRESSED_BYTES = 10 * 1024 * 1024;
const PRESSED_SLICE_MS = 25;
const OVERFULL_BYTES = 20 * 1024 * 1024;
const OVERFULL_SLICE_MS = 150;
/** After a start no fold begins by itself for so long. */
const SETTLING_MS = 5_000;
const SYNC_POLL_MS = 5;
const IDLE_MS = 500;
/** After a failure in the background, e.g. a full disk. */
const RETRY_MS = 10_000;
/** A block file whose waiting share is below this is written anew. */
const WORTH_KEEPING = 0.5;
/** Bytes that one fold writes anew at most. */
const MAX_REFILED = 16 * 1024 * 1024;
/** Pages of the catalogue that one fold gives back. */
const SHRINK_PAGES = 4_096;

/** Everything that the vault does between commits: reading back after a start, folding, letting go of the journal. */
export class Maintenance {
  readonly idle = IDLE_MS;
  /** Folds that have ended. */
  folds = 0;
  /** What failed last, until it succeeds. */
  trouble: string | undefined;
  private readonly parts: Parts;
  private readonly clock: Clock;
  private readonly budget: BudgetKeeper;
  private readonly release: JournalRelease;
  /** Every other slice of a fold makes room for a step of the budget. */
  private budgetTurn = false;
  private readonly afterFold: (number: number) => void;
  private running: Generator<number, void> | undefined;
  private wanted = 0;
  /** Bytes that lay in the journal at the start, and were written to it up to the last fold. */
  private unfoldedBefore: number;
  private writtenAtFold = 0;
  private flushedAt: number;
  private foldedAt: number;
  private readonly startedAt: number;
  private retryAt = 0;

  /** `afterFold`: what waits for a fold to have ended, such as a shred; told its number, as `requestFold` gives it. */
  constructor(parts: Parts, clock: Clock, budget: BudgetKeeper, afterFold: (number: number) => void) {
    this.afterFold = afterFold;
    this.budget = budget;
    this.release = new JournalRelease(parts, {
      clock,
      replayBytes: budget.shares.replay,
      leaveBehind: (below) => budget.leaveBehind(below),
    });
    this.parts = parts;
    this.clock = clock;
    this.unfoldedBefore = parts.log.last > parts.folded ? parts.log.bytes.held : 0;
    this.flushedAt = clock.monotonic();
    this.foldedAt = clock.monotonic();
    this.startedAt = clock.monotonic();
  }

  /** Position up to which consumers are asked to save; undefined when they need not. */
  get savesWanted(): number | undefined {
    return this.release.savesWanted;
  }

  /** A fold that begins after this. */
  requestFold(): number {
    const number = this.folds + (this.running === undefined ? 1 : 2);
    // One that was under way may have failed since: who asked meanwhile still waits for the one after it.
    this.wanted = Math.max(this.wanted, number);
    this.retryAt = 0;
    return number;
  }

  /** One slice; how long until the next one may come, milliseconds. */
  step(): number {
    const { parts, clock } = this;
    if (clock.monotonic() < this.retryAt) return IDLE_MS;
    try {
      if (!parts.catchUp.done) {
        parts.catchUp.step(SLICE_MS);
        return 0;
      }
      const delay = this.work();
      // Only when all is done: a fold that begins again has not gone well yet.
      if (delay === undefined) this.trouble = undefined;
      return delay ?? IDLE_MS;
    } catch (error) {
      this.failed(error);
      return IDLE_MS;
    }
  }

  /** How long a slice of folding may take, milliseconds. */
  private get slice(): number {
    const { bytes } = this.parts.readings.open;
    if (bytes > OVERFULL_BYTES) return OVERFULL_SLICE_MS;
    return bytes > PRESSED_BYTES ? PRESSED_SLICE_MS : SLICE_MS;
  }

  stop(): void {
    // The generator's own `finally` removes unfinished files.
    const { running } = this;
    this.running = undefined;
    running?.return();
  }

  private work(): number | undefined {
    const { parts, clock } = this;
    this.budgetTurn = this.running === undefined || !this.budgetTurn;
    if (this.budgetTurn && this.budget.step()) return 0;
    if (this.running !== undefined) {
      const next = this.running.next();
      if (next.done !== true) return next.value;
      this.running = undefined;
      this.trouble = undefined;
      this.folds++;
      this.budget.folded();
      this.foldedAt = clock.monotonic();
      return 0;
    }
    if (parts.log.prepare()) return 0;
    if (this.foldDue()) {
      this.running = this.fold();
      return 0;
    }
    this.release.runIfWanted();
    if (parts.keysChanged) parts.keepKeys();
    if (parts.catalogue.dirty && clock.monotonic() - this.flushedAt > FLUSH_MS) {
      parts.flush();
      this.flushedAt = clock.monotonic();
    }
    return undefined;
  }

  private foldDue(): boolean {
    const { readings } = this.parts;
    if (this.wanted > this.folds || this.budget.foldWanted) return true;
    // Who starts has better things to do first than to fold what was read back: doors, flows, the first acknowledgement.
    const sinceStart = this.clock.monotonic() - this.startedAt;
    if (sinceStart < SETTLING_MS && this.parts.written.journal < this.unfoldedBefore) return false;
    // The first one of a process finds what may be let go of, and a key that a shred left behind is not to wait for it.
    if (this.folds === 0 && sinceStart >= SETTLING_MS && this.release.holdsOldKey) return true;
    if (readings.foldDue(this.clock.now()) || readings.open.bytes >= this.budget.shares.fold) return true;
    const unfolded = this.unfoldedBefore + this.parts.written.journal - this.writtenAtFold;
    return (
      unfolded > this.budget.shares.unfolded || (unfolded > 0 && this.clock.monotonic() - this.foldedAt > QUIET_FOLD_MS)
    );
  }

  /** What the fold had begun is begun anew by the next one. */
  private failed(error: unknown): void {
    const { readings, undo, directory } = this.parts;
    this.trouble = reasonOf(error);
    this.retryAt = this.clock.monotonic() + RETRY_MS;
    // Each of these is due, whether the others go well or not.
    this.attempt(() => this.stop());
    this.attempt(() => readings.folding && readings.abandonFold());
    // SQLite gives up the whole long transaction when its commit fails.
    this.attempt(() => undo.restore());
    const found = engineError(error, directory);
    if (found.code !== 'disk-full' || undo.stopped !== undefined) return;
    this.attempt(() => this.budget.giveWay(found.message) && (this.retryAt = 0));
  }

  private attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.trouble += `; then ${reasonOf(error)}`;
    }
  }

  /**
   * Readings into a segment, bodies of waiting blocks into a file, the catalogue's rows into a snapshot; then the journal
   * is let go as far as all three and every consumer have come. Each part is whole and synced before the next relies on it.
   */
  private *fold(): Generator<number, void> {
    const { catalogue, log, readings } = this.parts;
    const recordTo = log.last;
    const written = this.parts.written.journal;
    if (readings.open.readings > 0) {
      readings.startFold(recordTo, catalogue.head);
      const entry = yield* this.segment();
      this.parts.written.segments += entry.bytes;
      this.parts.addSegment(entry);
    }
    yield* this.fileBlocks();
    this.parts.saveReceipts();
    // Also where no segment came of it.
    catalogue.setCounter('folded', recordTo);
    catalogue.shrink(SHRINK_PAGES);
    this.parts.flush();
    this.flushedAt = this.clock.monotonic();
    catalogue.checkpoint();
    yield* this.snapshot(catalogue.applied);
    this.parts.folded = recordTo;
    this.unfoldedBefore = 0;
    this.writtenAtFold = written;
    this.dropBlockFiles();
    this.release.run();
    this.afterFold(this.folds + 1);
    if (this.budget.rewriteWanted) {
      this.parts.flush();
      catalogue.rewrite();
    }
    // What came after a fold may have put what follows under another key, and the file before it can go.
    this.release.run();
  }

  private *segment(): Generator<number, SegmentEntry> {
    for (;;) {
      const began = this.clock.monotonic();
      const entry = this.parts.readings.foldStep(this.slice);
      if (entry !== undefined) return entry;
      // A step that did nothing waits for the disk.
      yield this.clock.monotonic() - began < 1 ? SYNC_POLL_MS : 0;
    }
  }

  /** Bodies that wait in rows, and those of files that are mostly acknowledged, go into one new file. */
  private *fileBlocks(): Generator<number, void> {
    const { catalogue, blockFiles } = this.parts;
    const { filing } = catalogue.outbox;
    this.refile();
    if (filing.unfiled(0).length === 0) return;
    const number = 1 + Math.max(0, ...blockFiles.numbers());
    const writer = blockFiles.write(number);
    let published = false;
    try {
      const tags: Buffer[] = [];
      // What is sealed meanwhile waits for the next fold: a burst of blocks must not keep this one from ending.
      const last = filing.lastRow();
      for (let after = 0; after < last;) {
        const blocks = filing.unfiled(after);
        if (blocks.length === 0) break;
        for (const { id, ...block } of blocks) {
          writer.add(block);
          tags.push(Buffer.from(block.sealed.subarray(-16)));
          after = id;
        }
        yield 0;
      }
      yield* this.synced(writer);
      writer.publish();
      published = true;
      this.parts.written.segments += writer.bytes;
      catalogue.begin();
      filing.filed(
        number,
        writer.places.map((place, i) => ({ ...place, tag: tags[i] })),
      );
    } finally {
      if (!published) writer.abandon();
    }
  }

  /** What waits in files that are mostly acknowledged goes back into rows. */
  private refile(): void {
    const { catalogue, blockFiles } = this.parts;
    let moved = 0;
    for (const [file, bytes] of catalogue.outbox.filing.fileLoads()) {
      if (bytes >= WORTH_KEEPING * blockFiles.size(file) || moved + bytes > MAX_REFILED) continue;
      catalogue.begin();
      catalogue.outbox.filing.unfile(file);
      moved += bytes;
    }
  }

  /** `record`: the newest one that was flushed; nothing may be committed between that and the first step of this. */
  private *snapshot(record: number): Generator<number, void> {
    const { databaseFile, state, store } = this.parts;
    const number = 1 + Math.max(0, ...snapshots(state));
    const writer = new SnapshotWriter(databaseFile, state, store.sealer, number, record);
    let published = false;
    try {
      for (let done = false; !done;) {
        const until = this.clock.monotonic() + SLICE_MS;
        do done = writer.step();
        while (!done && this.clock.monotonic() < until);
        yield 0;
      }
      yield* this.synced(writer);
      writer.publish();
      published = true;
      this.parts.snapshotRecord = writer.record;
      this.parts.written.catalogue += writer.bytes;
    } finally {
      if (!published) writer.abandon();
    }
  }

  private *synced(writer: BlockFileWriter | SnapshotWriter): Generator<number, void> {
    const sync: { ended: boolean; failure?: Error } = { ended: false };
    const ended = (failure?: Error): void => void Object.assign(sync, { ended: true, failure });
    writer.finish().then(
      () => ended(),
      (error: unknown) => ended(toError(error)),
    );
    while (!sync.ended) yield SYNC_POLL_MS;
    if (sync.failure !== undefined) throw sync.failure;
  }

  /** Files in which no block waits. */
  private dropBlockFiles(): void {
    const { catalogue, blockFiles } = this.parts;
    const loads = catalogue.outbox.filing.fileLoads();
    for (const number of blockFiles.numbers()) if (!loads.has(number)) blockFiles.remove(number);
  }
}
