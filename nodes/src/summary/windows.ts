import { TideError } from '../node/errors.ts';
import type { Reading } from '../reading/reading.ts';
import type { StateCodec } from '../vault/consumer.ts';
import { WindowAccumulator } from './accumulator.ts';
import { fieldsOf } from './fields.ts';
import { readSummary } from './summary-reader.ts';
import { writeSummary } from './summary-writer.ts';
import { ByteReader, ByteWriter } from './varint.ts';

/** A series has at most this many windows open; one more, and the one opened longest ago has to close. */
export const MAX_WINDOWS_PER_SERIES = 64;

/** Latest time that a window is opened for (about the year 73,000), and the earliest likewise; milliseconds. */
export const MAX_TIME = 2 ** 51;

export interface OpenWindow {
  /** Epoch milliseconds. */
  start: number;
  gathered: WindowAccumulator;
  /** Monotonic milliseconds of the newest reading. */
  touched: number;
  /** Has to close at the next opportunity, due or not. */
  forced: boolean;
}

/** When windows close. */
export interface ClosingRule {
  /** Milliseconds. */
  length: number;
  /** Milliseconds that are waited for late readings. */
  grace: number;
  /** Wall clock, epoch milliseconds. */
  now: number;
  monotonic: number;
}

/** The open windows of one series at one resolution, in the order in which they were opened. */
export class SeriesWindows {
  readonly open: OpenWindow[] = [];
  /** Readings that were taken into windows since this state began, and retained ones that were kept out of them. */
  taken = 0;
  stale = 0;

  /**
   * Adds a reading to the window it lies in; returns how many windows that opened (0 or 1). A number that no summary can
   * hold is counted as bad; `refused` is told why.
   */
  add(reading: Reading, length: number, monotonic: number, refused: (error: TideError) => void): number {
    const start = Math.floor(reading.time / length) * length;
    let window = this.at(start);
    const opened = window === undefined ? 1 : 0;
    if (window === undefined) {
      window = { start, gathered: new WindowAccumulator(), touched: monotonic, forced: false };
      this.open.push(window);
      if (this.open.length > MAX_WINDOWS_PER_SERIES) this.open.find(({ forced }) => !forced)!.forced = true;
    }
    window.touched = monotonic;
    this.taken++;
    try {
      window.gathered.add(reading);
    } catch (error) {
      if (!(error instanceof TideError) || error.code !== 'not-a-decimal') throw error;
      window.gathered.bad++;
      refused(error);
    }
    return opened;
  }

  /**
   * Takes out the windows that are due: the clock has passed their end and the grace, and either the series has gone on
   * to a later window since, or nothing came for the grace. The second half matters for readings of the past (a replay, a
   * recording, a sensor that kept them): their windows are over from the start, and would close at every tick.
   */
  takeDue({ length, grace, now, monotonic }: ClosingRule): OpenWindow[] {
    const { open } = this;
    const over = (window: OpenWindow): boolean => window.forced || window.start + length + grace <= now;
    // Most series at most ticks have nothing to close.
    if (!open.some(over)) return [];
    const due: OpenWindow[] = [];
    let latest = -Infinity;
    for (const window of open.toReversed()) {
      const quiet = latest > window.start || monotonic - window.touched >= grace;
      if (window.forced || (over(window) && quiet)) due.push(window);
      latest = Math.max(latest, window.start);
    }
    if (due.length > 0) this.remove(due);
    return due;
  }

  takeAll(): OpenWindow[] {
    return this.open.splice(0);
  }

  /** Puts back a window whose part was not committed; one that was opened for it meanwhile takes it in. */
  putBack(window: OpenWindow): void {
    const reopened = this.at(window.start);
    if (reopened === undefined) this.open.unshift(window);
    else reopened.gathered.addSummary(window.gathered.summary());
  }

  private at(start: number): OpenWindow | undefined {
    const { open } = this;
    // The newest is nearly always the one.
    for (let i = open.length - 1; i >= 0; i--) if (open[i].start === start) return open[i];
    return undefined;
  }

  private remove(windows: readonly OpenWindow[]): void {
    const gone = new Set(windows);
    const kept = this.open.filter((window) => !gone.has(window));
    this.open.splice(0, this.open.length, ...kept);
  }
}

const VERSION = 2;

/** The open windows of a series as a checkpoint keeps them. `monotonic` tells the time on loading: grace starts anew. */
export function windowsCodec(monotonic: () => number): StateCodec<SeriesWindows> {
  return {
    create: () => new SeriesWindows(),
    encode({ open, taken, stale }) {
      const writer = new ByteWriter(32 + 64 * open.length);
      writer.byte(VERSION);
      writer.uint(taken);
      writer.uint(stale);
      writer.uint(open.reduce((sum, { gathered }) => sum + gathered.count + gathered.bad, 0));
      writer.uint(open.length);
      const fields = fieldsOf(() => writer);
      for (const { start, gathered } of open) {
        writer.int(start);
        writeSummary(fields, gathered.summary(), { time: start, position: 0, span: 0 });
      }
      return writer.finish();
    },
    decode(bytes) {
      const reader = new ByteReader(bytes, 'checkpoint of open windows');
      if (reader.byte() !== VERSION) return undefined;
      const windows = new SeriesWindows();
      windows.taken = reader.uint();
      windows.stale = reader.uint();
      reader.uint();
      const fields = fieldsOf(() => reader);
      for (let left = reader.uint(); left > 0; left--) {
        const start = reader.int();
        const gathered = WindowAccumulator.of(readSummary(fields, { time: start, position: 0, span: 0 }));
        windows.open.push({ start, gathered, touched: monotonic(), forced: false });
      }
      reader.end();
      return windows;
    },
  };
}

/** Bytes that `windowsTally` reads at most. */
export const TALLY_BYTES = 32;

/** What a saved state says of its readings without its windows being read: `open` are those in open windows. */
export interface WindowsTally {
  taken: number;
  stale: number;
  open: number;
}

/** From the first `TALLY_BYTES` of a saved state; undefined for one of another version. */
export function windowsTally(state: Uint8Array): WindowsTally | undefined {
  const reader = new ByteReader(state, 'checkpoint of open windows');
  if (state.length === 0 || reader.byte() !== VERSION) return undefined;
  return { taken: reader.uint(), stale: reader.uint(), open: reader.uint() };
}
