import { TideError } from '../node/errors.ts';
import type { Reading } from '../reading/reading.ts';
import { WindowAccumulator } from './accumulator.ts';
import type { Ladder } from './ladder.ts';
import { contentWith, readingsIn, summaryOf, type OpenWindow } from './open-window.ts';
import { StateTrace } from './states.ts';
import type { Resolution, Summary } from './summary.ts';

/** A rung of a series has at most this many windows open; one more, and the one opened longest ago has to close. */
export const MAX_WINDOWS_PER_RUNG = 64;

/** Latest time that a window is opened for (about the year 73,000), and the earliest likewise; milliseconds. */
export const MAX_TIME = 2 ** 51;

/** When windows close. */
export interface ClosingRule {
  /** Milliseconds that are waited for late readings. */
  grace: number;
  /** Wall clock, epoch milliseconds. */
  now: number;
  monotonic: number;
}

/** Windows that were taken out to be committed as parts, and what that did to the coarser rungs. */
export interface Taken {
  readonly rung: number;
  readonly closed: readonly { window: OpenWindow; summary: Summary }[];
  /** `before` is undefined for a window that was opened for it. */
  readonly folds: readonly { rung: number; window: OpenWindow; before: OpenWindow['content'] | undefined }[];
}

/** Readings of a series in windows of one length. */
export interface LengthTally {
  resolution: Resolution;
  taken: number;
  /** Of these, the ones that are in no part of this length yet. */
  open: number;
}

/** The open windows of one series: for each rung of its ladder, in the order in which they were opened. */
export class SeriesWindows {
  /** Retained readings, which are in no window. */
  stale = 0;
  /** The states of its readings, through all windows. */
  readonly trace = new StateTrace();
  /** Readings that were taken into windows of this ladder. */
  private taken = 0;
  /** And of earlier ones, by length. */
  private takenBefore = new Map<Resolution, number>();
  private current: Ladder;
  private rungs: OpenWindow[][];
  /** Rungs made from finer ones that are not as they were saved. */
  private changed: Set<number>;

  constructor(ladder: Ladder) {
    this.current = ladder;
    this.rungs = ladder.rungs.map(() => []);
    // Nothing is open, and what an earlier state of the series left saved must not come back.
    this.changed = new Set(foldedRungs(ladder));
  }

  get ladder(): Ladder {
    return this.current;
  }

  get size(): number {
    let size = 0;
    for (let rung = 0; rung < this.rungs.length; rung++) size += this.rungs[rung].length;
    return size;
  }

  /** End of the earliest open window of a length; Infinity when none is open. */
  earliestEnd(resolution: Resolution): number {
    const rung = this.rungOf(resolution);
    let earliest = Infinity;
    if (rung === -1) return earliest;
    for (const { start } of this.rungs[rung]) if (start < earliest) earliest = start;
    return earliest + this.current.rungs[rung].length;
  }

  /** Windows of a rung. */
  open(rung: number): readonly OpenWindow[] {
    return this.rungs[rung];
  }

  *all(): IterableIterator<OpenWindow> {
    for (const windows of this.rungs) yield* windows;
  }

  /** Goes on with another ladder. Nothing may be open: what one was gathered for does not fit the other. */
  adopt(ladder: Ladder): void {
    if (this.size > 0) throw new TypeError('a ladder is changed while windows are open');
    for (const { resolution, taken } of this.tallies()) this.takenBefore.set(resolution, taken);
    this.taken = 0;
    this.current = ladder;
    this.rungs = ladder.rungs.map(() => []);
    this.changed = new Set(foldedRungs(ladder));
  }

  /** The rungs that have to be saved, which from now on count as saved. */
  takeChanged(): readonly number[] {
    const taken = [...this.changed];
    this.changed.clear();
    return taken;
  }

  /** Their save failed, or is still to come. */
  putBackChanged(rungs: readonly number[]): void {
    for (const rung of rungs) this.changed.add(rung);
  }

  /** For each length that this series ever had: readings taken into windows of it, and how many of them no part of it has yet. */
  tallies(): LengthTally[] {
    const { rungs } = this.current;
    const tallies = new Map<Resolution, LengthTally>();
    for (const [resolution, taken] of this.takenBefore) tallies.set(resolution, { resolution, taken, open: 0 });
    // What is open in the rung that this one is made from is not in this one yet.
    const open: number[] = [];
    for (const [i, { resolution, from }] of rungs.entries()) {
      open[i] = this.rungs[i].reduce((sum, { content }) => sum + readingsIn(content), open[from] ?? 0);
      const taken = this.taken + (this.takenBefore.get(resolution) ?? 0);
      tallies.set(resolution, { resolution, taken, open: open[i] });
    }
    return [...tallies.values()];
  }

  /** Puts the counts as a checkpoint kept them. */
  restoreTallies(stale: number, tallies: readonly LengthTally[]): void {
    this.stale = stale;
    this.takenBefore = new Map(tallies.map(({ resolution, taken }) => [resolution, taken]));
  }

  /** Puts a window as a checkpoint kept it. */
  restore(rung: number, window: OpenWindow): void {
    this.rungs[rung].push(window);
  }

  /**
   * Adds a reading to the windows it lies in; returns how many windows that opened. A number that no summary can hold is
   * counted as bad; `refused` is told why.
   */
  add(reading: Reading, monotonic: number, refused: (error: TideError) => void): number {
    let opened = 0;
    let problem: TideError | undefined;
    this.taken++;
    const { quality, value } = reading;
    const held = quality === 'bad' ? undefined : this.trace.next(Math.floor(reading.time), value);
    const { roots, width } = this.current;
    for (const rung of roots) {
      const { length } = this.current.rungs[rung];
      const start = Math.floor(reading.time / length) * length;
      let window = this.at(rung, start);
      if (window === undefined) {
        opened++;
        window = this.openAt(rung, { start, content: new WindowAccumulator(width), touched: monotonic, forced: false });
      }
      window.touched = monotonic;
      const gathered = window.content;
      if (!(gathered instanceof WindowAccumulator)) throw new TypeError('a window of readings holds bytes');
      try {
        gathered.add(reading, held);
      } catch (error) {
        if (!(error instanceof TideError) || error.code !== 'not-a-decimal') throw error;
        gathered.bad++;
        problem = error;
      }
    }
    if (problem !== undefined) refused(problem);
    return opened;
  }

  /** Takes out the windows of a length that are due; undefined when there are none. */
  takeDue(resolution: Resolution, rule: ClosingRule): Taken | undefined {
    const rung = this.rungOf(resolution);
    if (rung === -1) return undefined;
    const due = this.dueOf(rung, rule);
    return due.length === 0 ? undefined : this.take(rung, due, rule.monotonic);
  }

  takeAll(resolution: Resolution, monotonic: number): Taken | undefined {
    const rung = this.rungOf(resolution);
    if (rung === -1 || this.rungs[rung].length === 0) return undefined;
    return this.take(rung, [...this.rungs[rung]], monotonic);
  }

  /**
   * Puts back what was not committed; a window that was opened anew meanwhile takes it in. The rungs stay changed: the save
   * that failed has said so.
   */
  putBack({ rung, closed, folds }: Taken): void {
    for (const { rung: coarser, window, before } of folds.toReversed()) {
      if (before !== undefined) window.content = before;
      else this.rungs[coarser] = this.rungs[coarser].filter((other) => other !== window);
    }
    // They were taken newest first, so the oldest ends up in front.
    for (const { window, summary } of closed) {
      const reopened = this.at(rung, window.start);
      if (reopened === undefined) this.rungs[rung].unshift(window);
      else reopened.content = contentWith(reopened.content, [summary]);
    }
  }

  /**
   * Due are windows whose end and the grace the clock has passed, once the series has gone on to a later window or nothing
   * came for the grace. The second half matters for readings of the past (a replay, a recording, a sensor that kept
   * them): their windows are over from the start, and would close at every tick. A coarse window waits for the finer
   * ones that are open within it.
   */
  private dueOf(rung: number, { grace, now, monotonic }: ClosingRule): OpenWindow[] {
    const open = this.rungs[rung];
    const { length, from } = this.current.rungs[rung];
    const over = (window: OpenWindow): boolean => window.forced || window.start + length + grace <= now;
    // Most series at most ticks have nothing to close.
    if (!open.some(over)) return [];
    const due: OpenWindow[] = [];
    let latest = -Infinity;
    for (const window of open.toReversed()) {
      const quiet = latest > window.start || monotonic - window.touched >= grace;
      if (window.forced || (over(window) && (from === -1 ? quiet : this.settled(rung, window.start, quiet))))
        due.push(window);
      latest = Math.max(latest, window.start);
    }
    return due;
  }

  /**
   * Whether no finer window is open within a coarse one, and either nothing came for the grace or the series has gone on:
   * a finer window is open in the span after it. (Any later one would not do: the present goes on beside a replay.)
   */
  private settled(rung: number, start: number, quiet: boolean): boolean {
    const { length } = this.current.rungs[rung];
    let goneOn = false;
    for (let finer = 0; finer < rung; finer++) {
      for (const window of this.rungs[finer]) {
        const lengthsOn = (window.start - start) / length;
        if (lengthsOn >= 0 && lengthsOn < 1) return false;
        if (lengthsOn >= 1 && lengthsOn < 2) goneOn = true;
      }
    }
    return quiet || goneOn;
  }

  private take(rung: number, due: readonly OpenWindow[], monotonic: number): Taken {
    const gone = new Set(due);
    this.rungs[rung] = this.rungs[rung].filter((window) => !gone.has(window));
    const closed = due.map((window) => ({ window, summary: summaryOf(window.content) }));
    const { from, into } = this.current.rungs[rung];
    this.putBackChanged(from === -1 ? into : [rung, ...into]);
    const folds = into.flatMap((coarser) => this.foldInto(coarser, closed, monotonic));
    return { rung, closed, folds };
  }

  private foldInto(rung: number, closed: Taken['closed'], monotonic: number): Taken['folds'] {
    const { length } = this.current.rungs[rung];
    const byStart = new Map<number, Summary[]>();
    for (const { window, summary } of closed) {
      const start = Math.floor(window.start / length) * length;
      const there = byStart.get(start);
      if (there === undefined) byStart.set(start, [summary]);
      else there.push(summary);
    }
    return [...byStart].map(([start, summaries]) => {
      const window = this.at(rung, start);
      if (window === undefined) {
        const content = contentWith(undefined, summaries);
        const opened = this.openAt(rung, { start, content, touched: monotonic, forced: false });
        return { rung, window: opened, before: undefined };
      }
      const before = window.content;
      window.content = contentWith(before, summaries);
      window.touched = monotonic;
      return { rung, window, before };
    });
  }

  private openAt(rung: number, window: OpenWindow): OpenWindow {
    const open = this.rungs[rung];
    open.push(window);
    if (open.length > MAX_WINDOWS_PER_RUNG) {
      const oldest = open.find(({ forced }) => !forced);
      if (oldest !== undefined) oldest.forced = true;
    }
    return window;
  }

  private at(rung: number, start: number): OpenWindow | undefined {
    const open = this.rungs[rung];
    // The newest is nearly always the one.
    for (let i = open.length - 1; i >= 0; i--) if (open[i].start === start) return open[i];
    return undefined;
  }

  private rungOf(resolution: Resolution): number {
    return this.current.rungs.findIndex((rung) => rung.resolution === resolution);
  }
}

const foldedRungs = ({ rungs }: Ladder): number[] => rungs.flatMap(({ from }, rung) => (from === -1 ? [] : [rung]));
