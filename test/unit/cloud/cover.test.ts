import assert from 'node:assert/strict';
import fc from 'fast-check';

import type { Reading } from '@tidegate/nodes/reading';
import { WindowAccumulator, decodeSummary, encodeSummary, foldSummaries } from '@tidegate/nodes/summary';

import { cover, type Ladder } from '../../../cloud-bridge/src/store/cover.ts';
import type { WindowParts } from '../../../cloud-bridge/src/store/store.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

interface Part {
  resolution: number;
  windowStart: number;
  bytes: Uint8Array;
}

/** What arrived, in memory. */
class Arrived implements Ladder {
  readonly parts_: readonly Part[];
  asked = 0;

  constructor(parts: readonly Part[]) {
    this.parts_ = parts;
  }

  get resolutions(): number[] {
    return [...new Set(this.parts_.map(({ resolution }) => resolution))].toSorted((a, b) => a - b);
  }

  parts(resolution: number, windowStart: number): Uint8Array[] {
    this.asked++;
    return this.parts_
      .filter((part) => part.resolution === resolution && part.windowStart === windowStart)
      .map(({ bytes }) => bytes);
  }

  next(resolution: number, from: number): number | undefined {
    const starts = this.starts(resolution).filter((start) => start >= from);
    return starts.length === 0 ? undefined : Math.min(...starts);
  }

  newest(resolution: number): number | undefined {
    const starts = this.starts(resolution);
    return starts.length === 0 ? undefined : Math.max(...starts);
  }

  private starts(resolution: number): number[] {
    return this.parts_.filter((part) => part.resolution === resolution).map(({ windowStart }) => windowStart);
  }
}

/** Parts of windows of a resolution from the numbers of minutes that there are readings in; `split` makes two parts of each. */
function partsOf(resolution: number, minutes: readonly number[], split = false): Part[] {
  const windows = new Map<number, Reading[]>();
  for (const [i, minute] of minutes.entries()) {
    const time = minute * MINUTE + (i % 1000);
    const start = Math.floor(time / (resolution * 1000)) * resolution * 1000;
    const reading: Reading = { series: 's', time, value: minute, quality: 'good', clock: 'device', position: i + 1 };
    windows.set(start, [...(windows.get(start) ?? []), reading]);
  }
  return [...windows].flatMap(([windowStart, readings]) =>
    (split ? [readings.slice(0, 1), readings.slice(1)] : [readings])
      .filter((some) => some.length > 0)
      .map((some) => {
        const window = new WindowAccumulator();
        for (const reading of some) window.add(reading);
        return { resolution, windowStart, bytes: encodeSummary(window.summary()) };
      }),
  );
}

const spans = (windows: readonly WindowParts[]): [minute: number, minutes: number, whole: boolean, count: number][] =>
  windows.map(({ windowStart, resolution, whole, summaries }) => [
    windowStart / MINUTE,
    resolution / 60,
    whole,
    foldSummaries(summaries.map(decodeSummary)).count,
  ]);
const all = { from: -1e15, to: 1e15, limit: 10_000 };
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe('windows of a ladder that is still on its way', () => {
  const minutes = range(0, 120);
  const hours = partsOf(3600, minutes);
  const quarters = partsOf(900, minutes);
  const ones = partsOf(60, minutes);

  it('are fine where fine ones are whole, and coarse where one is missing', () => {
    const missing = ones.filter(({ windowStart }) => windowStart !== 70 * MINUTE);
    const { windows, next } = cover(new Arrived([...missing, ...quarters, ...hours]), { ...all, resolution: 60 });
    assert.equal(next, null);
    assert.deepEqual(spans(windows), [
      ...range(0, 60).map((minute) => [minute, 1, true, 1]),
      [60, 15, true, 15],
      ...range(75, 120).map((minute) => [minute, 1, true, 1]),
    ]);
  });

  it('are hours at first, whatever was asked for', () => {
    for (const resolution of [60, 900, 3600])
      assert.deepEqual(spans(cover(new Arrived(hours), { ...all, resolution }).windows), [
        [0, 60, true, 60],
        [60, 60, true, 60],
      ]);
  });

  it('are fine where a rung between is missing but the finest is there', () => {
    const some = quarters.filter(({ windowStart }) => windowStart !== 15 * MINUTE);
    const { windows } = cover(new Arrived([...ones, ...some, ...hours]), { ...all, resolution: 60 });
    assert.equal(windows.length, 120);
  });

  it('are fine where the coarse ones know less: one that began later, or a part of it that is on its way', () => {
    const late = partsOf(3600, range(30, 120));
    assert.equal(cover(new Arrived([...ones, ...late]), { ...all, resolution: 60 }).windows.length, 120);
  });

  it('show what is open at the gateway from what finer ones say, and that it is not whole', () => {
    const now = [...partsOf(60, range(0, 140)), ...partsOf(900, range(0, 135)), ...hours];
    assert.deepEqual(spans(cover(new Arrived(now), { ...all, resolution: 3600 }).windows), [
      [0, 60, true, 60],
      [60, 60, true, 60],
      [120, 60, false, 20],
    ]);
    assert.deepEqual(spans(cover(new Arrived(now), { ...all, resolution: 900 }).windows).at(-1), [135, 15, false, 5]);
  });

  it('put together no past from finer ones: where nothing of this length came there is a hole', () => {
    const some = hours.slice(1);
    const { windows } = cover(new Arrived([...ones, ...some]), { ...all, resolution: 3600 });
    assert.deepEqual(spans(windows), [[60, 60, true, 60]]);
  });

  it('come page by page, and begin where they are asked to', () => {
    const missing = ones.filter(({ windowStart }) => windowStart !== 5 * MINUTE);
    const arrived = new Arrived([...missing, ...quarters, ...hours]);
    const whole = cover(arrived, { ...all, resolution: 60 }).windows;
    const paged: WindowParts[] = [];
    for (let from: number | null = -1e15; from !== null;) {
      const page: { windows: WindowParts[]; next: number | null } = cover(arrived, {
        ...all,
        resolution: 60,
        from,
        limit: 7,
      });
      paged.push(...page.windows);
      from = page.next;
    }
    assert.deepEqual(paged, whole);
    const middle = cover(arrived, { resolution: 60, from: 10 * MINUTE, to: 17 * MINUTE, limit: 99 }).windows;
    assert.deepEqual(spans(middle), [
      [0, 15, true, 15],
      [15, 1, true, 1],
      [16, 1, true, 1],
    ]);
    const within = cover(arrived, { resolution: 60, from: 15 * MINUTE + 1, to: 17 * MINUTE, limit: 99 }).windows;
    assert.deepEqual(spans(within), [[16, 1, true, 1]]);
  });

  it('say each reading once, and none of a window of which not all is there as if it were', () => {
    const partial = fc.record({
      minutes: fc.uniqueArray(fc.integer({ min: -70, max: 400 }), { minLength: 1, maxLength: 60 }),
      lost: fc.array(fc.nat(), { maxLength: 40 }),
      ladder: fc.subarray([60, 300, 900, 3600, 7200], { minLength: 1 }),
      resolution: fc.constantFrom(60, 300, 900, 3600),
      split: fc.boolean(),
    });
    fc.assert(
      fc.property(partial, ({ minutes: list, lost, ladder, resolution, split }) => {
        const sent = ladder.flatMap((one) => partsOf(one, list, split));
        const arrived = sent.filter((_, i) => !lost.some((at) => at % sent.length === i));
        const { windows } = cover(new Arrived(arrived), { ...all, resolution });
        let end = -Infinity;
        for (const { windowStart, resolution: length, whole, summaries } of windows) {
          assert.ok(windowStart >= end, 'windows do not overlap');
          end = windowStart + length * 1000;
          const { count, first, last } = foldSummaries(summaries.map(decodeSummary));
          const within = list.filter((minute) => minute * MINUTE >= windowStart && minute * MINUTE < end).length;
          assert.ok(count <= within && first!.time >= windowStart && last!.time < end);
          // What finer ones are to say of a window, a coarser one that covers it has confirmed, or none has come.
          const coarser = arrived.filter(
            (part) =>
              part.resolution > length &&
              part.resolution % length === 0 &&
              part.windowStart <= windowStart &&
              part.windowStart + part.resolution * 1000 >= end,
          );
          for (const part of coarser) {
            const inside = windows.filter(
              (one) =>
                one.windowStart >= part.windowStart &&
                one.windowStart + one.resolution * 1000 <= part.windowStart + part.resolution * 1000,
            );
            if (
              ladder.every((one, i) => i === 0 || one % ladder[i - 1] === 0) &&
              ladder.includes(resolution) &&
              whole
            ) {
              const shown = inside.flatMap((one) => one.summaries).map(decodeSummary);
              assert.ok(foldSummaries(shown).count >= decodeSummary(part.bytes).count, 'less is shown than is known');
            }
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  it('ask for little: a quarter of an hour of minutes does not read the day', () => {
    const day = range(0, 1440);
    const arrived = new Arrived([60, 900, 3600, 86_400].flatMap((resolution) => partsOf(resolution, day)));
    const { windows } = cover(arrived, { resolution: 60, from: 12 * HOUR, to: 12 * HOUR + 15 * MINUTE, limit: 99 });
    assert.equal(windows.length, 15);
    assert.ok(arrived.asked < 60, `${arrived.asked} windows were read`);
  });
});
