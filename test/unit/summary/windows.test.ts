import assert from 'node:assert/strict';
import type { Reading } from '@tidegate/nodes/reading';
import { encodeSummary } from '@tidegate/nodes/summary';
import {
  MAX_WINDOWS_PER_SERIES,
  SeriesWindows,
  TALLY_BYTES,
  windowsCodec,
  windowsTally,
} from '../../../nodes/src/summary/windows.ts';

const MINUTE = 60_000;
const START = 1_780_000_200_000 - (1_780_000_200_000 % MINUTE);
const GRACE = 2000;

let position = 0;
const reading = (time: number, value: Reading['value'] = 1): Reading => ({
  series: 's',
  time,
  value,
  quality: 'good',
  clock: 'device',
  position: ++position,
});

class Bench {
  readonly windows = new SeriesWindows();
  readonly refused: string[] = [];
  /** Wall and monotonic clock, moved together. */
  now = START;

  add(time: number, value?: Reading['value']): number {
    return this.windows.add(reading(time, value), MINUTE, this.now, ({ code }) => this.refused.push(code));
  }

  due(now: number): number[] {
    this.now = now;
    return this.windows
      .takeDue({ length: MINUTE, grace: GRACE, now, monotonic: now })
      .map(({ start }) => (start - START) / MINUTE);
  }
}

describe('open windows of a series', () => {
  it('close when the clock has passed their end and the grace', () => {
    const bench = new Bench();
    bench.add(START + 1000);
    bench.now = START + MINUTE + 500;
    bench.add(START + MINUTE + 500);
    assert.deepEqual(bench.due(START + MINUTE + GRACE - 1), []);
    assert.deepEqual(bench.due(START + MINUTE + GRACE), [0]);
    assert.deepEqual(bench.due(START + 2 * MINUTE + GRACE), [1]);
    assert.equal(bench.windows.open.length, 0);
  });

  it('take late readings within the grace', () => {
    const bench = new Bench();
    bench.add(START);
    bench.now = START + MINUTE + 1900;
    assert.equal(bench.add(START + MINUTE - 1), 0);
    assert.equal(bench.windows.open[0].gathered.count, 2);
  });

  it('open anew for a reading that comes later still', () => {
    const bench = new Bench();
    bench.add(START);
    assert.deepEqual(bench.due(START + MINUTE + GRACE), [0]);
    assert.equal(bench.add(START + 5), 1);
    assert.equal(bench.windows.open[0].gathered.count, 1);
    assert.deepEqual(bench.due(START + MINUTE + GRACE + 1), []);
    assert.deepEqual(bench.due(START + MINUTE + 2 * GRACE), [0]);
  });

  it('of the past close once the series has gone on, or when nothing has come for the grace', () => {
    const bench = new Bench();
    bench.now = START + 1000 * MINUTE;
    bench.add(START);
    bench.add(START + 1);
    assert.deepEqual(bench.due(bench.now), []);
    bench.add(START + MINUTE);
    assert.deepEqual(bench.due(bench.now), [0]);
    assert.deepEqual(bench.due(bench.now + GRACE - 1), []);
    assert.deepEqual(bench.due(bench.now + 1), [1]);
  });

  it('of the past do not close because the present goes on beside them', () => {
    const bench = new Bench();
    bench.now = START + 1000 * MINUTE;
    bench.add(bench.now);
    bench.add(START);
    assert.deepEqual(bench.due(bench.now), []);
    bench.add(START + MINUTE);
    assert.deepEqual(bench.due(bench.now), [0]);
  });

  it('stay within their bound: the one that was opened longest ago has to close', () => {
    const bench = new Bench();
    for (let i = 0; i < MAX_WINDOWS_PER_SERIES + 2; i++) bench.add(START + (i + 10) * MINUTE);
    assert.deepEqual(bench.due(START), [11, 10]);
    assert.equal(bench.windows.open.length, MAX_WINDOWS_PER_SERIES);
  });

  it('begin at multiples of their length, before 1970 too', () => {
    const bench = new Bench();
    for (const time of [-1, -MINUTE, 0, MINUTE - 1]) bench.add(time);
    assert.deepEqual(
      bench.windows.open.map(({ start, gathered }) => [start, gathered.count]),
      [
        [-MINUTE, 2],
        [0, 2],
      ],
    );
  });

  it('count a number that no summary can hold as bad, and say so', () => {
    const bench = new Bench();
    for (const value of [Number.NaN, Infinity, 1e-200]) bench.add(START, value);
    bench.add(START, 3);
    const { bad, count } = bench.windows.open[0].gathered.summary();
    assert.deepEqual([bad, count], [3, 1]);
    assert.deepEqual(bench.refused, ['not-a-decimal', 'not-a-decimal', 'not-a-decimal']);
  });

  it('take back what was not committed, into the window that opened meanwhile', () => {
    const bench = new Bench();
    bench.add(START, 1);
    const [taken] = bench.windows.takeAll();
    bench.windows.putBack(taken);
    assert.equal(bench.windows.open.length, 1);
    const [again] = bench.windows.takeAll();
    bench.add(START + 1, 2);
    bench.windows.putBack(again);
    assert.equal(bench.windows.open.length, 1);
    assert.equal(bench.windows.open[0].gathered.count, 2);
  });

  it('survive as a checkpoint, byte for byte', () => {
    const bench = new Bench();
    for (let i = 0; i < 5; i++) for (const value of [1.5, -0.25, true, 'open']) bench.add(START + i * MINUTE, value);
    bench.add(START + 5 * MINUTE, 1);
    bench.windows.takeDue({ length: MINUTE, grace: 0, now: START + MINUTE, monotonic: Infinity });
    bench.windows.stale = 7;
    const codec = windowsCodec(() => 77);
    assert.deepEqual(
      windowsTally(codec.encode(bench.windows).subarray(0, TALLY_BYTES)),
      { taken: 21, stale: 7, open: 17 },
      'four of 21 went with the first window',
    );
    const restored = codec.decode(codec.encode(bench.windows), 's')!;
    assert.deepEqual(
      restored.open.map(({ start, gathered, touched }) => [start, encodeSummary(gathered.summary()), touched]),
      bench.windows.open.map(({ start, gathered }) => [start, encodeSummary(gathered.summary()), 77]),
    );
    assert.deepEqual(codec.encode(restored), codec.encode(bench.windows));
    const foreign = codec.encode(bench.windows);
    foreign[0] = 99;
    assert.equal(codec.decode(foreign, 's'), undefined);
    assert.throws(() => codec.decode(codec.encode(bench.windows).subarray(0, 20), 's'), { code: 'malformed' });
  });
});
