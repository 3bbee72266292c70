import type { Reading, Rejection } from '../reading/reading.ts';
import type { Deliveries } from '../vault/deliveries.ts';
import type { Vault } from '../vault/vault.ts';
import type { DoorSink } from './door.ts';
import type { Slices } from './slices.ts';

/** Readings handed over in one call, and read from the journal at once. */
const PIECE = 1_000;
/** Committed readings that a live feed keeps in memory; beyond that it falls back to the journal. */
const MAX_QUEUED = 50_000;
const MAX_QUEUED_REJECTIONS = 1_000;

export interface FeedOptions {
  vault: Vault;
  source: string;
  deliveries: Deliveries;
  /** First position that no sink of this source has been given in this process. */
  undelivered: number;
  slices: Slices;
  report: (error: unknown) => void;
}

/**
 * Hands one source's committed readings to its sink in journal order, each once. `cursor` is the position after the last
 * one handed over. Behind, the feed reads the journal and keeps nothing of what is committed meanwhile; it goes live in
 * the same turn in which a read to the journal's end leaves the cursor past the last commit known here. A commit that
 * the read already saw and that is announced later lies below the cursor and is skipped.
 */
export class Feed {
  readonly sink: DoorSink;
  /** Position after the last reading handed over. */
  cursor: number;
  private readonly options: FeedOptions;
  private begun = false;
  private live = false;
  private reading = false;
  private detached = false;
  private delivering = false;
  /** Position after the newest commit of this source. */
  private head = 0;
  private queue: Reading[][] = [];
  private queued = 0;
  private rejections: Rejection[] = [];

  constructor(sink: DoorSink, options: FeedOptions) {
    this.sink = sink;
    this.options = options;
    this.cursor = options.undelivered;
  }

  /** Begins with what the consumers have not saved, or with what no sink was given, whichever is older. */
  async start(): Promise<void> {
    this.reading = true;
    try {
      const from = await this.options.vault.checkpoints.replayFrom();
      this.cursor = Math.min(this.cursor, from);
      this.begun = true;
      await this.catchUp(this.options.vault.journal.head);
    } catch (error) {
      if (!this.detached) this.options.report(error);
    } finally {
      this.reading = false;
    }
  }

  /** First position that the sink has not been given; undefined when it has everything. */
  get undelivered(): number | undefined {
    if (!this.begun) return 1;
    return this.live && this.queued === 0 ? undefined : this.cursor;
  }

  detach(): void {
    this.detached = true;
    this.queue = [];
    this.rejections = [];
  }

  /** Takes a batch that has just been committed; the readings have their positions. */
  committed(readings: Reading[], rejections: Rejection[]): void {
    if (this.detached) return;
    for (const rejection of rejections.slice(0, MAX_QUEUED_REJECTIONS - this.rejections.length))
      this.rejections.push(rejection);
    const last = readings.at(-1)?.position;
    if (last !== undefined) {
      this.head = last + 1;
      if (this.live) this.enqueue(readings);
      else if (!this.reading) void this.resume();
    }
    this.wake();
  }

  private enqueue(readings: Reading[]): void {
    if (this.queued + readings.length <= MAX_QUEUED) {
      this.queue.push(readings);
      this.queued += readings.length;
      return;
    }
    this.queue = [];
    this.queued = 0;
    this.live = false;
    void this.resume();
  }

  /** Never rejects. */
  private async resume(): Promise<void> {
    this.reading = true;
    try {
      await this.catchUp(0);
    } catch (error) {
      if (!this.detached) this.options.report(error);
    } finally {
      this.reading = false;
    }
  }

  /** Reads on until the journal holds nothing more; readings below `replayBefore` are marked as replay. */
  private async catchUp(replayBefore: number): Promise<void> {
    const { vault, source } = this.options;
    while (!this.detached) {
      const { head } = vault.journal;
      const slice = await vault.journal.read(this.cursor, PIECE, source);
      if (this.detached) return;
      const { readings } = slice;
      const last = readings.at(-1)?.position;
      const border = last === undefined || last < replayBefore ? readings.length : readings.findIndex(at(replayBefore));
      // Up to its end the journal may hold nothing that can be given any more, what was shredded for one.
      this.cursor = Math.max(this.cursor, slice.next ?? head, (last ?? 0) + 1);
      if (last !== undefined) this.options.deliveries.handOver(source, readings[0].position!);
      if (border > 0) this.sink.readings(readings.slice(0, border), replayBefore > 0);
      if (border < readings.length) this.sink.readings(readings.slice(border), false);
      if (slice.next === undefined && this.head <= this.cursor) {
        this.live = true;
        return;
      }
      await new Promise(setImmediate);
    }
  }

  private wake(): void {
    if (this.delivering || (this.queue.length === 0 && this.rejections.length === 0)) return;
    this.delivering = true;
    this.options.slices.run(() => this.deliver());
  }

  private deliver(): boolean {
    // Set before the sink runs: if it throws, the next commit wakes the feed again.
    this.delivering = false;
    if (this.rejections.length > 0) this.sink.rejections(this.rejections.splice(0, PIECE));
    const piece = this.nextPiece();
    if (piece.length > 0) {
      this.cursor = piece[piece.length - 1].position! + 1;
      this.options.deliveries.handOver(this.options.source, piece[0].position!);
      this.sink.readings(piece, false);
    }
    this.delivering = this.queue.length > 0 || this.rejections.length > 0;
    return this.delivering;
  }

  /** Committed batches that came together, up to PIECE readings, without what the journal already gave. */
  private nextPiece(): Reading[] {
    const piece: Reading[] = [];
    while (this.queue.length > 0 && piece.length < PIECE) {
      const batch = this.queue[0];
      const taken = batch.length <= PIECE - piece.length ? batch : batch.slice(0, PIECE - piece.length);
      for (const reading of taken) if (reading.position! >= this.cursor) piece.push(reading);
      this.queued -= taken.length;
      if (taken === batch) this.queue.shift();
      else this.queue[0] = batch.slice(taken.length);
    }
    return piece;
  }
}

function at(position: number): (reading: Reading) => boolean {
  return (reading) => reading.position! >= position;
}
