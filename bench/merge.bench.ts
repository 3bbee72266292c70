/**
 * Union and fold of parts in memory: a day of one-minute parts, a tenth of them twice as a block sent again brings them,
 * joined by their keys and folded to hours. What decoding a block and encoding a summary add is measured beside it.
 */
import {
  WindowAccumulator,
  decodeBlock,
  decodeBlockEncoded,
  encodeBlock,
  encodeSummary,
  foldSummaries,
} from '@tidegate/nodes/summary';
import type { Part, Summary } from '@tidegate/nodes/summary';
import { quantileOf, type Report } from './support/report.ts';
import { signal } from './support/signal.ts';

const SERIES = 100;
const MINUTES = 24 * 60;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2026, 0, 1);
/** Each so many-th block comes a second time. */
const TWICE = 10;
const ROUNDS = 15;

/** The parts of a minute of all series, and the number of the block that carried them. */
interface Arrived {
  part: number;
  parts: readonly Part[];
}

export function run(progress: (text: string) => void): Promise<Report> {
  progress(`${SERIES} series, ${MINUTES} minutes`);
  const day = dayOfParts();
  const arrived = day.flatMap((one) => (one.part % TWICE === 0 ? [one, one] : [one]));
  const count = arrived.reduce((sum, { parts }) => sum + parts.length, 0);
  const hours = unionAndFold(arrived);
  check(hours, day);
  progress('union and fold');
  const both = perSecond(count, () => unionAndFold(arrived));
  progress('fold');
  const all = day.flatMap(({ parts }) => parts.map(({ summary }) => summary));
  const fold = perSecond(all.length, () => foldSummaries(all));
  progress('blocks');
  // As the fine fill sends them: what a gateway sealed in an hour.
  const block = encodeBlock(day.slice(0, 60).flatMap(({ parts }) => parts));
  const decode = perSecond(60 * SERIES, () => decodeBlock(block));
  const store = perSecond(60 * SERIES, () => decodeBlockEncoded(block));
  const encode = perSecond(60 * SERIES, () => {
    let bytes = 0;
    for (const summary of all.slice(0, 60 * SERIES)) bytes += encodeSummary(summary).length;
    return bytes;
  });
  return Promise.resolve({
    figures: {
      union_and_fold_parts_per_s: both,
      fold_parts_per_s: fold,
      decode_parts_per_s: decode,
      decode_and_copy_parts_per_s: store,
      encode_parts_per_s: encode,
    },
    goals: { union_and_fold_parts_per_s: { min: 2_000_000 } },
    notes: [
      `${count} parts of a minute, of ${SERIES} series at 1 Hz (noise sd 0.2) and one day; each ${TWICE}th block comes twice`,
      'union_and_fold: blocks joined by number, parts folded to hours by series; fold: all into one',
      `median of ${ROUNDS} rounds on one thread; decode: a block of an hour; and_copy: with the bytes of each summary, as the cloud does; encode: these bytes anew`,
    ],
  });
}

function dayOfParts(): Arrived[] {
  const draws = Array.from({ length: SERIES }, (_, series) => signal({ noise: 0.2, seed: series + 1 }));
  let position = 0;
  return Array.from({ length: MINUTES }, (_, minute) => ({
    part: minute + 1,
    parts: draws.map((draw, series) => {
      const windowStart = START + minute * MINUTE;
      const window = new WindowAccumulator();
      for (let second = 0; second < 60; second++)
        window.add({
          series: `s${series}`,
          time: windowStart + 1000 * second,
          value: draw(),
          position: ++position,
          quality: 'good',
          clock: 'gateway',
        });
      return { series: series + 1, windowStart, summary: window.summary() };
    }),
  }));
}

/**
 * Hours by series and start. All parts of a block bear its number, and a window of a series is in it once: two parts have
 * the same key exactly when their blocks have the same number.
 */
function unionAndFold(arrived: readonly Arrived[]): Map<number, Map<number, WindowAccumulator>> {
  const known = new Set<number>();
  const hours = new Map<number, Map<number, WindowAccumulator>>();
  for (const { part, parts } of arrived) {
    if (known.has(part)) continue;
    known.add(part);
    for (const { series, windowStart, summary } of parts) hourOf(hours, series, windowStart).addSummary(summary);
  }
  return hours;
}

function hourOf(hours: Map<number, Map<number, WindowAccumulator>>, series: number, time: number): WindowAccumulator {
  const start = Math.floor(time / HOUR);
  let windows = hours.get(series);
  if (windows === undefined) hours.set(series, (windows = new Map()));
  let window = windows.get(start);
  if (window === undefined) windows.set(start, (window = new WindowAccumulator()));
  return window;
}

/** The hours are those of the parts as they were made, each once. Throws an Error. */
function check(hours: Map<number, Map<number, WindowAccumulator>>, day: readonly Arrived[]): void {
  const expected = new Map<string, Summary[]>();
  for (const { series, windowStart, summary } of day.flatMap(({ parts }) => parts)) {
    const key = `${series}/${Math.floor(windowStart / HOUR)}`;
    expected.set(key, [...(expected.get(key) ?? []), summary]);
  }
  for (const [key, summaries] of expected) {
    const [series, start] = key.split('/').map(Number);
    const found = hours.get(series)?.get(start)?.summary();
    const right = encodeSummary(foldSummaries(summaries));
    if (found === undefined || Buffer.compare(encodeSummary(found), right) !== 0)
      throw new Error(`series ${series}, hour ${start} is not the fold of its minutes`);
  }
}

function perSecond(parts: number, work: () => unknown): number {
  const took = Array.from({ length: ROUNDS }, () => {
    const began = process.hrtime.bigint();
    work();
    return Number(process.hrtime.bigint() - began) / 1e9;
  });
  return parts / quantileOf(took, 0.5);
}
