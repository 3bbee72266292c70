import { foldSummaries, WindowAccumulator, type Part, type Summary } from '@tidegate/nodes/summary';

import { colouredNoise, uniform } from '../simulate/random.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Resolutions that the drill makes, seconds: the default ladder. */
export const LADDER = [86_400, 3_600, 900, 60] as const;
export type Rung = (typeof LADDER)[number];

/** Parts of one series in a day at each of them. */
export const PARTS_A_DAY: Record<Rung, number> = { 86_400: 1, 3_600: 24, 900: 96, 60: 1440 };

/**
 * Summaries as a site makes them: series at 1 Hz that follow a daily course with noise (docs/numbers.md), two decimals,
 * times that stray by 20 ms. Made once for an hour; each later hour deals the same hours out to the series in another
 * order. So quarters, hours and days are the folds of their minutes, and what a frame holds has no repetition in it.
 */
export class Measured {
  private readonly series: readonly number[];
  private readonly minutes: Summary[][] = [];
  private readonly quarters: Summary[][] = [];
  private readonly hours: Summary[];

  /** `series`: numbers of the series in the vault. */
  constructor(series: readonly number[]) {
    this.series = series;
    for (let n = 0; n < series.length; n++) this.minutes.push(minutesOf(n));
    for (const minutes of this.minutes)
      this.quarters.push([0, 15, 30, 45].map((from) => foldSummaries(minutes.slice(from, from + 15))));
    this.hours = this.quarters.map((quarters) => foldSummaries(quarters));
  }

  /** The parts of all series in one window. `windowStart`: epoch milliseconds, a multiple of the resolution. */
  window(rung: Rung, windowStart: number): Part[] {
    const hour = Math.floor(windowStart / HOUR);
    const deal = dealer(hour, this.series.length);
    return this.series.map((series, n) => {
      const from = deal(n);
      if (rung === 60) return this.part(series, n, windowStart, this.minutes[from][(windowStart / MINUTE) % 60]);
      if (rung === 900)
        return this.part(series, n, windowStart, this.quarters[from][(windowStart / (15 * MINUTE)) % 4]);
      if (rung === 3_600) return this.part(series, n, windowStart, this.hours[from]);
      return { series, windowStart, summary: this.day(n, windowStart) };
    });
  }

  private day(n: number, dayStart: number): Summary {
    const hours = Array.from({ length: 24 }, (_, i) => {
      const start = dayStart + i * HOUR;
      return this.moved(n, start, this.hours[dealer(start / HOUR, this.series.length)(n)]);
    });
    return foldSummaries(hours);
  }

  private part(series: number, n: number, windowStart: number, summary: Summary): Part {
    return { series, windowStart, summary: this.moved(n, windowStart, summary) };
  }

  /** The same readings in another window: times move along, positions as if all series were read in turn. */
  private moved(n: number, windowStart: number, summary: Summary): Summary {
    const { first, last } = summary;
    if (first === undefined || last === undefined) return summary;
    const base = Math.floor(first.time / MINUTE) * MINUTE;
    const place = (time: number): { time: number; position: number } => ({
      time: windowStart + time - base,
      position: Math.round((windowStart + time - base) / 1000) * this.series.length + n + 1,
    });
    return { ...summary, first: { ...first, ...place(first.time) }, last: { ...last, ...place(last.time) } };
  }
}

/** An hour of one series, by minutes; its times count from 0. */
function minutesOf(n: number): Summary[] {
  const random = uniform(n + 1);
  const noise = colouredNoise(random, 0.9);
  const base = 15 + 20 * random();
  const phase = 2 * Math.PI * random();
  return Array.from({ length: 60 }, (_, minute) => {
    const window = new WindowAccumulator();
    for (let second = 0; second < 60; second++) {
      const at = minute * 60 + second;
      const value = base + 5 * Math.sin((2 * Math.PI * at) / 86_400 + phase) + 0.2 * noise();
      // Strays forwards only, so that each reading stays in its window.
      const time = at * 1000 + Math.floor(random() * 40);
      window.add({
        series: '',
        time,
        value: Math.round(value * 100) / 100,
        quality: 'good',
        clock: 'device',
        position: 1,
      });
    }
    return window.summary();
  });
}

/** A permutation of 0..count-1 that is another one for each hour, and leaves no two neighbours side by side. */
function dealer(hour: number, count: number): (n: number) => number {
  let factor = 1 + ((Math.imul(hour, 2_654_435_761) >>> 0) % Math.max(1, count - 1));
  while (gcd(factor, count) !== 1) factor++;
  return (n) => (n * factor + hour) % count;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
