import { reasonOf } from '@tidegate/nodes/node';
import { FrameError, blocks as blocksBody, decodeBody, type Blocks } from '@tidegate/nodes/sync';

import { EMPTY_DIGEST, type MergeOutcome, type MergeRecord } from '../store/store.ts';
import { answerTo } from './answers.ts';
import { blockUnit, forked, poisoned, type BlockUnit } from './block-unit.ts';
import type { Arrival } from './intake.ts';
import type { MergerParts } from './merger.ts';
import { isBadRecord, type Opener, type Sender, type SentFrame } from './opener.ts';
import { Receipts } from './receipts.ts';
import { TransactionSizer } from './transaction-sizer.ts';

/** Length of a transaction, ms: what an alert may have to wait for. */
const TRANSACTION_MS = 10;

/** Records of a block from `done` to `to`, in the transaction under way. */
interface Slice {
  unit: BlockUnit;
  to: number;
}

interface ClosedBlock {
  sender: Sender;
  stream: string;
  number: number;
  body: Uint8Array;
}

/** Commits blocks in short transactions and acknowledges each when its last record is in. */
export class BulkLane {
  private readonly parts: MergerParts;
  private readonly opener: Opener;
  private readonly sizer = new TransactionSizer(TRANSACTION_MS);
  /** Blocks of opened frames that are still to be taken apart, one between two looks at what is more urgent. */
  private closed: ClosedBlock[] = [];
  private pending: BlockUnit[] = [];
  /** Records of the pending blocks, their ends included. */
  private waiting = 0;

  constructor(parts: MergerParts, opener: Opener) {
    this.parts = parts;
    this.opener = opener;
  }

  /** Opens a frame, takes a block apart or commits one transaction, whichever is next; false when there was nothing to do. */
  async step(): Promise<boolean> {
    if (this.waiting < this.sizer.records) {
      const block = this.closed[0];
      // What it would meet in the database is told only once the one before it is there.
      const waits = block !== undefined && this.pending.some(({ end }) => isSame(end, block));
      if (block !== undefined && !waits) {
        this.closed.shift();
        await this.takeApart(block);
        return true;
      }
      const arrival = block === undefined ? this.parts.intake.takeBulk() : undefined;
      if (arrival !== undefined) {
        await this.openFrame(arrival);
        return true;
      }
    }
    if (this.pending.length === 0) return false;
    const { slices, records } = this.take();
    const { clock } = this.parts;
    const started = clock.monotonic();
    let outcome: MergeOutcome;
    try {
      outcome = await this.merge(records, slices);
    } catch (error) {
      for (const { sender } of [...this.pending, ...this.closed]) this.opener.note(sender);
      this.pending = [];
      this.closed = [];
      this.waiting = 0;
      throw error;
    }
    this.sizer.measured(records.length, clock.monotonic() - started);
    const finished = slices.map(({ unit }) => unit).filter((unit) => unit.done === unit.records.length);
    this.pending = this.pending.slice(finished.length);
    this.waiting = this.pending.reduce((sum, unit) => sum + unit.records.length - unit.done + 1, 0);
    this.acknowledge(finished);
    this.tell(slices, outcome);
    return true;
  }

  /** Whether some of a block of this incarnation is committed, and its receipt is not. */
  halfway(incarnationId: number): boolean {
    return this.pending.some(({ sender, done }) => sender.incarnationId === incarnationId && done > 0);
  }

  private async openFrame(arrival: Arrival): Promise<void> {
    const opened = await this.opener.open(arrival);
    if (opened === undefined) return;
    const body = this.opener.read(opened.sender, () => bodyOf(opened));
    if (body === undefined) return;
    this.closed = blocksOf(opened.sender, opened.header.stream!, body);
    if (body.ask !== undefined) await answerTo(this.parts, opened.sender, opened.header.stream!, body.ask);
  }

  private async takeApart({ sender, stream, number, body }: ClosedBlock): Promise<void> {
    const unit = this.opener.read(sender, () => blockUnit(sender, stream, number, body));
    if (unit === undefined) return;
    await this.compare(unit, body);
    this.pending.push(unit);
    this.waiting += unit.records.length + 1;
  }

  /**
   * A block whose number is taken by other bytes is a fork, and nothing of it comes in: parts of two writers under one
   * number may count a reading twice. One that is there part for part is what a revocation left of it.
   */
  private async compare(unit: BlockUnit, body: Uint8Array): Promise<void> {
    const { end, records } = unit;
    if (end.kind !== 'receipt' || body.length === 0) return;
    const { store } = this.parts;
    const there = (await store.settled(end.incarnationId, end.stream, [end.number])).get(end.number);
    if (there === undefined || there.as === 'poison' || Buffer.compare(there.digest, end.digest) === 0) return;
    if (Buffer.compare(there.digest, EMPTY_DIGEST) === 0 || !(await store.lacks(records))) return;
    unit.records = [];
    unit.end = forked(end, body);
  }

  /** The next transaction: all slices but the last are up to the end of their block, and only the last may not be. */
  private take(): { slices: Slice[]; records: MergeRecord[] } {
    const slices: Slice[] = [];
    const records: MergeRecord[] = [];
    for (const unit of this.pending) {
      const room = this.sizer.records - records.length;
      if (room <= 0) break;
      const to = Math.min(unit.records.length, unit.done + room);
      for (let i = unit.done; i < to; i++) records.push(unit.records[i]);
      if (to === unit.records.length) records.push(unit.end);
      slices.push({ unit, to });
    }
    records.push(...this.opener.signsOfLife(new Set(slices.map(({ unit }) => unit.sender))));
    return { slices, records };
  }

  private async merge(records: readonly MergeRecord[], slices: readonly Slice[]): Promise<MergeOutcome> {
    const { store, clock } = this.parts;
    try {
      const outcome = await store.merge(records, clock.now());
      for (const { unit, to } of slices) unit.done = to;
      return outcome;
    } catch (error) {
      if (!isBadRecord(error)) throw error;
    }
    // A block that the database cannot hold must not keep the others out.
    const total: MergeOutcome = { inserted: 0, duplicates: 0, forks: 0 };
    for (const { unit } of slices) {
      const outcome = await this.mergeAlone(unit);
      total.inserted += outcome.inserted;
      total.duplicates += outcome.duplicates;
      total.forks += outcome.forks;
    }
    return total;
  }

  private async mergeAlone(unit: BlockUnit): Promise<MergeOutcome> {
    const { store, clock, refusals } = this.parts;
    const rest = unit.records.slice(unit.done);
    unit.done = unit.records.length;
    try {
      return await store.merge([...rest, unit.end], clock.now());
    } catch (error) {
      if (!isBadRecord(error)) throw error;
      unit.end = poisoned(unit.end, reasonOf(error));
    }
    try {
      return await store.merge([unit.end], clock.now());
    } catch (error) {
      if (!isBadRecord(error)) throw error;
      // Not even that: it is answered as poison, and all that stays is the count.
      refusals.failed(unit.sender.label, error);
      return { inserted: 0, duplicates: 0, forks: 0 };
    }
  }

  private acknowledge(finished: readonly BlockUnit[]): void {
    const receipts = new Receipts(this.parts.replies);
    for (const { sender, end } of finished) {
      if (end.kind === 'receipt') receipts.block(sender, end.stream, end.number);
      else if (end.kind === 'fork') {
        receipts.conflict(sender, end.stream, end.number);
        this.parts.refusals.count(
          sender.label,
          'conflict',
          `block ${end.number} of ${end.stream} is here with other bytes`,
        );
      } else {
        receipts.poison(sender, end.stream, end.number, end.reason);
        this.parts.refusals.count(sender.label, 'poison', `block ${end.number} of ${end.stream}: ${end.reason}`);
      }
    }
    receipts.send();
  }

  private tell(slices: readonly Slice[], { inserted, forks }: MergeOutcome): void {
    const { changed } = this.parts;
    for (const { unit } of slices) {
      const { label } = unit.sender;
      if (inserted > 0) changed(unit.records[0]?.kind === 'catalogue' ? 'series' : 'parts', label);
      if (forks > 0 || unit.end.kind === 'poison') changed('gateways', label);
    }
  }
}

function bodyOf({ header, body }: SentFrame): Blocks {
  if (header.stream === undefined)
    throw new FrameError('malformed', 'a frame of blocks without a stream in its header');
  return decodeBody(blocksBody, body);
}

function blocksOf(sender: Sender, stream: string, { blocks }: Blocks): ClosedBlock[] {
  return blocks.map(({ number, body }) => ({ sender, stream, number, body }));
}

const isSame = (end: BlockUnit['end'], { sender, stream, number }: ClosedBlock): boolean =>
  end.number === number && end.stream === stream && end.incarnationId === sender.incarnationId;
