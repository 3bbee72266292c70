import assert from 'node:assert/strict';
import type { Reading } from '@tidegate/nodes/reading';
import { encodeSummary } from '@tidegate/nodes/summary';
import { LadderPlan } from '../../../nodes/src/summary/ladder.ts';
import { summaryOf, type OpenWindow } from '../../../nodes/src/summary/open-window.ts';
import { MAX_WINDOWS_PER_RUNG, SeriesWindows, type Taken } from '../../../nodes/src/summary/windows.ts';
import {
  decodeRung,
  encodeRung,
  openReadings,
  TALLY_BYTES,
  windowsCodec,
  windowsTally,
} from '../../../nodes/src/summary/windows-codec.ts';

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

const countOf = ({ content }: OpenWindow): number => summaryOf(content).count;

class Bench {
  readonly windows: SeriesWindows;
  readonly refused: string[] = [];
  /** Wall and monotonic clock, moved together. */
  now = START;

  constructor(resolutions: number[] = [60]) {
    this.windows = new SeriesWindows(new LadderPlan(resolutions).for('s'));
  }

  get open(): readonly OpenWindow[] {
    return this.windows.open(0);
  }

  add(time: number, value?: Reading['value']): number {
    return this.windows.add(reading(time, value), this.now, ({ code }) => this.refused.push(code));
  }

  take(now: number, resolution = 60): Taken | undefined {
    this.now = now;
    return this.windows.takeDue(resolution, { grace: GRACE, now, monotonic: now });
  }

  /** Starts of the windows that are due, as lengths after the first. */
  due(now: number, resolution = 60): number[] {
    const closed = this.take(now, resolution)?.closed ?? [];
    const first = START - (START % (resolution * 1000));
    return closed.map(({ window }) => (window.start - first) / (resolution * 1000));
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
    assert.equal(bench.open.length, 0);
  });

  it('take late readings within the grace', () => {
    const bench = new Bench();
    bench.add(START);
    bench.now = START + MINUTE + 1900;
    assert.equal(bench.add(START + MINUTE - 1), 0);
    assert.equal(countOf(bench.open[0]), 2);
  });

  it('open anew for a reading that comes later still', () => {
    const bench = new Bench();
    bench.add(START);
    assert.deepEqual(bench.due(START + MINUTE + GRACE), [0]);
    assert.equal(bench.add(START + 5), 1);
    assert.equal(countOf(bench.open[0]), 1);
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
    for (let i = 0; i < MAX_WINDOWS_PER_RUNG + 2; i++) bench.add(START + (i + 10) * MINUTE);
    assert.deepEqual(bench.due(START), [11, 10]);
    assert.equal(bench.open.length, MAX_WINDOWS_PER_RUNG);
  });

  it('begin at multiples of their length, before 1970 too', () => {
    const bench = new Bench();
    for (const time of [-1, -MINUTE, 0, MINUTE - 1]) bench.add(time);
    assert.deepEqual(
      bench.open.map((window) => [window.start, countOf(window)]),
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
    const { bad, count } = summaryOf(bench.open[0].content);
    assert.deepEqual([bad, count], [3, 1]);
    assert.deepEqual(bench.refused, ['not-a-decimal', 'not-a-decimal', 'not-a-decimal']);
  });

  it('take back what was not committed, into the window that opened meanwhile', () => {
    const bench = new Bench();
    bench.add(START, 1);
    const taken = bench.windows.takeAll(60, 0)!;
    bench.windows.putBack(taken);
    assert.equal(bench.open.length, 1);
    const again = bench.windows.takeAll(60, 0)!;
    bench.add(START + 1, 2);
    bench.windows.putBack(again);
    assert.equal(bench.open.length, 1);
    assert.equal(countOf(bench.open[0]), 2);
  });

  it('survive as a checkpoint, byte for byte, with the counts of their readings in front', () => {
    const plan = new LadderPlan([60, 900]);
    const bench = new Bench([60, 900]);
    for (let i = 0; i < 5; i++) for (const value of [1.5, -0.25, true, 'open']) bench.add(START + i * MINUTE, value);
    bench.add(START + 5 * MINUTE, 1);
    assert.deepEqual(bench.due(START + MINUTE + GRACE), [0]);
    bench.windows.stale = 7;
    const codec = windowsCodec(plan, () => 77);
    const bytes = codec.encode(bench.windows);
    assert.deepEqual(
      windowsTally(bytes.subarray(0, TALLY_BYTES)),
      {
        stale: 7,
        lengths: [
          { resolution: 60, taken: 21, open: 17 },
          { resolution: 900, taken: 21, open: 21 },
        ],
      },
      'four of 21 went with the first minute, none with a quarter of an hour',
    );
    assert.equal(
      openReadings(bytes).reduce((sum, { count }) => sum + count, 0),
      17,
    );
    const restored = codec.decode(bytes, 's')!;
    const coarse = encodeRung(bench.windows, 1);
    decodeRung(coarse, restored, 1, 77);
    assert.deepEqual(
      [...restored.all()].map(({ start, content, touched }) => [start, encodeSummary(summaryOf(content)), touched]),
      [...bench.windows.all()].map(({ start, content }) => [start, encodeSummary(summaryOf(content)), 77]),
    );
    assert.deepEqual(codec.encode(restored), bytes);
    assert.deepEqual(encodeRung(restored, 1), coarse);
    const foreign = codec.encode(bench.windows);
    foreign[0] = 99;
    assert.equal(codec.decode(foreign, 's'), undefined);
    assert.equal(windowsTally(foreign), undefined);
    for (let cut = 1; cut < bytes.length; cut++)
      assert.throws(() => codec.decode(bytes.subarray(0, cut), 's'), { code: 'malformed' });
    for (let cut = 1; cut < coarse.length; cut++)
      assert.throws(() => decodeRung(coarse.subarray(0, cut), restored, 1, 0), { code: 'malformed' });
  });
});

describe('coarse windows of a series', () => {
  const QUARTER = 15 * MINUTE;
  const FIRST = START - (START % QUARTER);

  it('get what closes in the finer ones, and close with the last of these', () => {
    const bench = new Bench([60, 900]);
    for (let i = 0; i < 31; i++) {
      bench.now = FIRST + i * (MINUTE / 2);
      bench.add(bench.now, i);
    }
    assert.equal(bench.take(FIRST + QUARTER)!.closed.length, 14, 'the last minute waits for late readings');
    assert.deepEqual(bench.due(FIRST + QUARTER + GRACE, 900), [], 'which has a share in the quarter of an hour');
    assert.equal(bench.take(FIRST + QUARTER + GRACE)!.closed.length, 1);
    const [closed] = bench.take(FIRST + QUARTER + GRACE, 900)!.closed;
    assert.deepEqual([closed.window.start, closed.summary.count], [FIRST, 30]);
    assert.deepEqual([...bench.windows.all()].length, 1, 'the minute that has begun');
  });

  it('of the past wait for more of it, whatever the present does', () => {
    const bench = new Bench([60, 900]);
    const present = FIRST + 1000 * QUARTER;
    bench.now = present;
    bench.add(present);
    bench.add(FIRST);
    bench.add(FIRST + MINUTE);
    assert.equal(bench.take(present)!.closed.length, 1);
    assert.deepEqual(bench.due(present + GRACE - 1, 900), [], 'a minute of it is open');
    assert.equal(bench.take(present + GRACE)!.closed.length, 1);
    assert.deepEqual(bench.due(present + 2 * GRACE - 1, 900), [], 'it was touched just now');
    assert.equal(bench.take(present + 2 * GRACE, 900)!.closed.length, 1);
  });

  it('are as they were when the commit of the finer ones failed', () => {
    const bench = new Bench([60, 900]);
    for (let i = 0; i < 4; i++) bench.add(FIRST + i * MINUTE, i);
    const codec = windowsCodec(new LadderPlan([60, 900]), () => 0);
    const saved = (): Uint8Array[] => [codec.encode(bench.windows), encodeRung(bench.windows, 1)];
    for (const opens of [true, false]) {
      const before = saved();
      const taken = bench.take(FIRST + 2 * MINUTE + GRACE)!;
      assert.equal(taken.folds[0].before === undefined, opens);
      bench.windows.putBack(taken);
      assert.deepEqual(saved(), before);
      bench.take(FIRST + MINUTE + GRACE);
    }
  });

  it('have to be saved after a fold into them and after a close, and not for readings', () => {
    const bench = new Bench([60, 900, 3600]);
    assert.deepEqual(bench.windows.takeChanged(), [1, 2], 'nothing is known to be saved of a series that is new');
    for (let i = 0; i < 16; i++) bench.add(FIRST + i * MINUTE, i);
    assert.deepEqual(bench.windows.takeChanged(), []);
    bench.take(FIRST + 15 * MINUTE + GRACE);
    assert.deepEqual(bench.windows.takeChanged(), [1]);
    bench.take(FIRST + 15 * MINUTE + GRACE, 900);
    assert.deepEqual(bench.windows.takeChanged(), [1, 2]);
    bench.windows.putBackChanged([2]);
    assert.deepEqual(bench.windows.takeChanged(), [2], 'its save failed');
  });

  it('are made from readings where no finer length divides theirs', () => {
    const bench = new Bench([600, 900, 3600]);
    assert.deepEqual(
      bench.windows.ladder.rungs.map(({ from }) => from),
      [-1, -1, 1],
    );
    assert.equal(bench.add(FIRST, 5), 2);
    bench.windows.takeAll(600, 0);
    bench.windows.takeAll(900, 0);
    const [hour] = bench.windows.takeAll(3600, 0)!.closed;
    assert.equal(hour.summary.count, 1);
  });
});
