import assert from 'node:assert/strict';
import type { Reading, Rejection } from '@tidegate/nodes/reading';
import type { Range } from '@tidegate/nodes/vault';
import { stepOf, type Step } from './script.ts';
import { minutesWaiting } from './summaries.ts';
import { applyChanges, hex, newState, type WriterState } from './writer-state.ts';

/** A batch that lies in the vault for certain. */
export interface KnownBatch {
  number: number;
  position: number;
  readings: readonly Reading[];
  receipts: readonly bigint[];
  rejections: readonly Rejection[];
  /** Its readings before this time (epoch milliseconds) were shredded. */
  goneBefore: number;
  /** Positions, inclusive, that the vault has declared to be given up. */
  given?: readonly Range[];
  /** Positions that it declared not to keep in the journal for consumers that had not come so far. */
  overrun?: readonly Range[];
}

export interface WriterBook {
  state: WriterState;
  batches: KnownBatch[];
  /** The step of which nobody knows whether it came to the disk. */
  unknown: Step | undefined;
}

/** What the workload's processes were told by the vault, kept outside of it. */
export class Ledger {
  readonly seed: string;
  readonly writers: WriterBook[];
  /** Commits refused for want of space, reads that were answered, and all else by its word. */
  readonly counts = new Map<string, number>();
  /** Month (`2026-03`) of a shred that began and of which nobody knows whether it came to its end. */
  shredding: string | undefined;
  /** What a consumer that summarises has passed, and its blocks that wait. */
  summaries: { passed: number; minutes: Map<number, string>; given: Set<number> } | undefined;

  constructor(seed: string, writers: number) {
    this.seed = seed;
    this.writers = Array.from({ length: writers }, () => ({ state: newState(), batches: [], unknown: undefined }));
  }

  /** A copy that can be asked and can go on by itself. */
  fork(): Ledger {
    const copy = new Ledger(this.seed, 0);
    for (const { state, batches, unknown } of this.writers)
      copy.writers.push({ state: structuredClone(state), batches: batches.map((batch) => ({ ...batch })), unknown });
    copy.shredding = this.shredding;
    copy.summaries = structuredClone(this.summaries);
    for (const [word, count] of this.counts) copy.counts.set(word, count);
    return copy;
  }

  /** Goes on where another one stands. */
  become(other: Ledger): void {
    this.writers.splice(0, this.writers.length, ...other.fork().writers);
    this.shredding = other.shredding;
    this.summaries = structuredClone(other.summaries);
    for (const [word, count] of other.counts) this.counts.set(word, count);
  }

  count(word: string): number {
    return this.counts.get(word) ?? 0;
  }

  get acknowledged(): number {
    return this.count('appended') + this.count('committed');
  }

  /** Whole lines of marks; a last line that was cut off acknowledged nothing to anybody. */
  take(marks: string): void {
    for (const line of marks.slice(0, marks.lastIndexOf('\n') + 1).split('\n')) if (line !== '') this.takeLine(line);
  }

  /** Nothing more comes from this process: what each writer had under way may be there or not. */
  cut(): void {
    for (const [writer, book] of this.writers.entries()) book.unknown ??= stepOf(this.seed, writer, book.state);
  }

  /** The unknown step of a writer turned out to be there (`at`: position of its first reading) or not to be there. */
  settle(writer: number, there: boolean, at: number): void {
    const book = this.writers[writer];
    if (book.unknown !== undefined && there) this.accept(book, book.unknown, at);
    if (book.unknown !== undefined) book.state.next = book.unknown.number + 1;
    book.unknown = undefined;
  }

  /** The shred under way has taken what it was to take, or nothing at all. */
  settleShred(gone: boolean): void {
    const time = Date.parse(`${this.shredding}-01`);
    if (gone)
      for (const { batches } of this.writers)
        for (const batch of batches) batch.goneBefore = Math.max(batch.goneBefore, time);
    this.shredding = undefined;
  }

  private takeLine(line: string): void {
    const [word, ...rest] = line.split(' ');
    this.counts.set(word, this.count(word) + 1);
    if (word === 'shredding') this.shredding = rest[0];
    if (word === 'shredded') this.settleShred(true);
    if (word === 'summarised') this.takeSummaries(Number(rest[0]), Number(rest[1]));
    if (!['appended', 'committed', 'conflict', 'full', 'unknown'].includes(word)) return;
    const [writer, number, ...results] = rest.map(Number);
    const book = this.writers[writer];
    const step = stepOf(this.seed, writer, book.state);
    assert.equal(number, step.number, `"${line}" is not the next step of writer ${writer}`);
    if (word === 'unknown') {
      book.unknown = step;
      return;
    }
    if (word === 'appended') {
      assert.ok(step.kind === 'append', line);
      assert.ok(results[0] > book.state.position, `"${line}": the position was given out before`);
      this.accept(book, step, results[0]);
    } else if (word === 'committed') {
      assert.ok(step.kind === 'commit' && !step.refused, `"${line}": its condition did not hold`);
      assert.deepEqual(results, this.accept(book, step, 0), `"${line}": numbers of blocks`);
    } else if (word === 'conflict')
      assert.ok(step.kind === 'commit' && step.refused, `"${line}": its condition did hold`);
    book.state.next++;
  }

  private takeSummaries(passed: number, minutes: number): void {
    this.summaries = { passed, minutes: minutesWaiting(minutes), given: new Set() };
    for (const { state } of this.writers) state.consumer = null;
  }

  private accept(book: WriterBook, step: Step, position: number): number[] {
    if (step.kind === 'commit') return applyChanges(book.state, step.changes);
    const { readings, receipts = [], rejections = [], cause } = step.batch;
    book.batches.push({ number: step.number, position, readings, receipts, rejections, goneBefore: -Infinity });
    book.state.position = position + readings.length - 1;
    if (cause !== undefined) book.state.cause = cause;
    return [];
  }
}

/** Whether a consumer has to get a reading of a batch again. */
export function isHeld(batch: KnownBatch, index: number): boolean {
  return isThere(batch, index) && !covers(batch.overrun, batch.position + index);
}

const covers = (ranges: readonly Range[] = [], at: number): boolean =>
  ranges.some(([from, to]) => from <= at && at <= to);

/** Whether a query has to give a reading of a batch. */
export function isThere({ position, readings, goneBefore, given }: KnownBatch, index: number): boolean {
  return readings[index].time >= goneBefore && !covers(given, position + index);
}

/** What the vault has to hold after a step, as an object of its own. */
export function stateAfter(state: WriterState, step: Step): WriterState {
  const after = structuredClone(state);
  if (step.kind === 'commit') applyChanges(after, step.changes);
  else if (step.batch.cause !== undefined) after.cause = step.batch.cause;
  return after;
}

/** What a reading says, without its place. */
export function sameReading(a: Reading, b: Reading): boolean {
  return (
    a.series === b.series &&
    a.time === b.time &&
    Object.is(a.value, b.value) &&
    a.quality === b.quality &&
    a.clock === b.clock &&
    a.unit === b.unit &&
    a.anomaly === b.anomaly &&
    a.stale === b.stale
  );
}

export const rejectionKey = ({ topic, code, reason, head, size, time }: Rejection): string =>
  JSON.stringify([topic, code, reason, hex(head), size, time]);
