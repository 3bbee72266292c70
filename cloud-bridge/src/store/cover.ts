import { readCounts } from '@tidegate/nodes/summary';

import type { WindowParts } from './store.ts';

/** Parts of one series for one purpose, by window. Resolutions are in seconds, times epoch milliseconds. */
export interface Ladder {
  /** At hand, ascending. */
  resolutions: readonly number[];
  /** Encoded summaries of a window, one for each part; none when it is not there. */
  parts(resolution: number, windowStart: number): readonly Uint8Array[];
  /** Start of the first window at or after a time. */
  next(resolution: number, from: number): number | undefined;
  /** Start of the newest window. */
  newest(resolution: number): number | undefined;
}

export interface Span {
  resolution: number;
  /** Starts of windows: from <= start < to. */
  from: number;
  to: number;
  /** Windows, not parts. */
  limit: number;
}

/** Most finer windows within a coarser one that are looked at to see whether they are all there. */
const MAX_WITHIN = 1_440;
/** Windows of the length asked for that are put together from finer ones after the newest of its own. */
const MAX_OPEN = 2;

/**
 * Windows of one length, ascending. Where the finer parts within a coarser window are of fewer readings than its own, some
 * of them are still on their way (or were given up), and the coarser window stands in their place; fine and coarse are
 * never added. After the newest window of this length the ones that are still open at the gateway are put together from
 * finer ones, and say that they are not whole.
 */
export function cover(
  ladder: Ladder,
  { resolution, from, to, limit }: Span,
): { windows: WindowParts[]; next: number | null } {
  const view = new View(ladder, resolution);
  const windows: WindowParts[] = [];
  const length = resolution * 1000;
  const end = Math.min(to, view.end);
  let at: number | undefined = Math.max(Math.ceil(from / length), Math.floor(view.begin / length)) * length;
  while (at !== undefined && at < end) {
    const window: WindowParts | undefined = view.standIn(at) ?? view.at(at);
    if (window === undefined) {
      at = view.next(at + length);
      continue;
    }
    if (windows.length === limit) return { windows, next: at };
    windows.push(window);
    at = window.windowStart + window.resolution * 1000;
  }
  return { windows, next: null };
}

/** Parts of a window, and of how many readings they are. */
interface Known {
  readings: number;
  summaries: readonly Uint8Array[];
}

class View {
  /** Where the first window begins, and where the last one ends. */
  readonly begin: number;
  readonly end: number;
  private readonly ladder: Ladder;
  private readonly resolution: number;
  /** From the resolution asked for up to the coarsest, and down to the finest; each a multiple of the one that is finer. */
  private readonly up: readonly number[];
  private readonly down: readonly number[];
  /** From here on windows of the resolution asked for are still open at the gateway. */
  private readonly openFrom: number;
  private readonly seen = new Map<string, Known>();
  private readonly lag = new Map<string, boolean>();

  constructor(ladder: Ladder, resolution: number) {
    this.ladder = ladder;
    this.resolution = resolution;
    const others = ladder.resolutions;
    this.up = chain(
      resolution,
      others.filter((other) => other > resolution),
    );
    this.down = chain(resolution, others.filter((other) => other < resolution).toReversed());
    const newest = new Map([...this.up, ...this.down].map((one) => [one, ladder.newest(one)]));
    const ends = [...newest].map(([one, start]) => (start ?? Number.NEGATIVE_INFINITY) + one * 1000);
    const starts = [...newest.keys()].map((one) => ladder.next(one, Number.NEGATIVE_INFINITY) ?? Infinity);
    this.begin = Math.min(...starts);
    this.end = Math.max(...ends);
    const length = resolution * 1000;
    const finest = this.down.slice(1).map((one) => newest.get(one) ?? Number.NEGATIVE_INFINITY);
    const afterOwn = (newest.get(resolution) ?? Number.NEGATIVE_INFINITY) + length;
    const last = Math.floor(Math.max(...finest) / length) * length;
    this.openFrom = Number.isFinite(last) ? Math.max(afterOwn, last - (MAX_OPEN - 1) * length) : Infinity;
  }

  /** The coarsest window in which this time lies and of which finer ones do not say as much. */
  standIn(at: number): WindowParts | undefined {
    for (let rung = this.up.length - 1; rung > 0; rung--) {
      const resolution = this.up[rung];
      const windowStart = Math.floor(at / (resolution * 1000)) * resolution * 1000;
      if (!this.lags(rung, windowStart)) continue;
      return { windowStart, resolution, whole: true, summaries: this.parts(resolution, windowStart).summaries };
    }
    return undefined;
  }

  /** A window of the length asked for. */
  at(windowStart: number): WindowParts | undefined {
    const { resolution } = this;
    const whole = windowStart < this.openFrom;
    const { summaries } = whole ? this.parts(resolution, windowStart) : this.best(0, windowStart);
    return summaries.length === 0 ? undefined : { windowStart, resolution, whole, summaries };
  }

  /** Start of the next window of the length asked for in which something may lie, from the start of one on. */
  next(from: number): number | undefined {
    const length = this.resolution * 1000;
    const starts = this.up.map((resolution) => this.ladder.next(resolution, from));
    const open = Math.max(from, this.openFrom);
    if (open < this.end) starts.push(...this.down.slice(1).map((finer) => this.ladder.next(finer, open)));
    const next = Math.min(...starts.map((start) => start ?? Infinity));
    return Number.isFinite(next) ? Math.floor(next / length) * length : undefined;
  }

  /** Whether the finer rungs, down to the one asked for, know of fewer readings than this window's own parts. */
  private lags(rung: number, windowStart: number): boolean {
    const key = `${rung} ${windowStart}`;
    const before = this.lag.get(key);
    if (before !== undefined) return before;
    const { readings } = this.parts(this.up[rung], windowStart);
    // Mostly the next finer rung is whole, and those below it need not be looked at.
    const lags =
      readings > this.within(rung, windowStart, readings, (start) => this.parts(this.up[rung - 1], start).readings) &&
      readings > this.within(rung, windowStart, readings, (start) => this.most(rung - 1, start));
    this.lag.set(key, lags);
    return lags;
  }

  /** Readings of a window as told by the rung, or by those below it, that knows of most. */
  private most(rung: number, windowStart: number): number {
    const { readings } = this.parts(this.up[rung], windowStart);
    if (rung === 0) return readings;
    return Math.max(
      readings,
      this.within(rung, windowStart, Infinity, (start) => this.most(rung - 1, start)),
    );
  }

  /** Sum over the windows of the next finer rung within one, up to what is enough. */
  private within(rung: number, windowStart: number, enough: number, readingsOf: (start: number) => number): number {
    const step = this.up[rung - 1] * 1000;
    let sum = 0;
    for (let at = windowStart; sum < enough && at < windowStart + this.up[rung] * 1000; at += step)
      sum += readingsOf(at);
    return sum;
  }

  /** A window from its own parts or, where they know of more readings, from finer ones. */
  private best(rung: number, windowStart: number): Known {
    const own = this.parts(this.down[rung], windowStart);
    if (rung === this.down.length - 1) return own;
    const finer: Known[] = [];
    const step = this.down[rung + 1] * 1000;
    for (let at = windowStart; at < windowStart + this.down[rung] * 1000; at += step)
      finer.push(this.best(rung + 1, at));
    const readings = finer.reduce((sum, one) => sum + one.readings, 0);
    return readings > own.readings ? { readings, summaries: finer.flatMap(({ summaries }) => summaries) } : own;
  }

  private parts(resolution: number, windowStart: number): Known {
    const key = `${resolution} ${windowStart}`;
    const before = this.seen.get(key);
    if (before !== undefined) return before;
    const summaries = this.ladder.parts(resolution, windowStart);
    let readings = 0;
    for (const bytes of summaries) {
      const { count, bad } = readCounts(bytes);
      readings += count + bad;
    }
    const known = { readings, summaries };
    this.seen.set(key, known);
    return known;
  }
}

/** Begins with a resolution; each further one is a multiple (or a divisor) of the one before, and not too many times. */
function chain(resolution: number, others: readonly number[]): number[] {
  const rungs = [resolution];
  for (const other of others) {
    const [fine, coarse] = [rungs.at(-1)!, other].toSorted((a, b) => a - b);
    if (coarse % fine === 0 && coarse / fine <= MAX_WITHIN) rungs.push(other);
  }
  return rungs;
}
