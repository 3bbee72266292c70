import assert from 'node:assert/strict';
import type { Reading } from '@tidegate/nodes/reading';
import { decodeSummary, encodeSummary, foldSummaries, WindowAccumulator, type Summary } from '@tidegate/nodes/summary';
import { LadderPlan } from '../../../nodes/src/summary/ladder.ts';
import { viewOf } from '../../../nodes/src/summary/view.ts';
import { SeriesWindows } from '../../../nodes/src/summary/windows.ts';

const START = 1_780_000_200_000 - (1_780_000_200_000 % 900_000);

const reading = (second: number, value: Reading['value'], unit?: string): Reading => ({
  series: 's',
  time: START + second * 1000,
  value,
  quality: 'good',
  clock: 'device',
  position: second + 1,
  ...(unit !== undefined && { unit }),
});

function summed(...readings: Reading[]): Summary {
  const window = new WindowAccumulator();
  for (const one of readings) window.add(one);
  return decodeSummary(encodeSummary(window.summary()));
}

describe('units in a summary', () => {
  it('are that of its numbers, also where some say none', () => {
    assert.equal(summed(reading(0, 20), reading(1, 21, '°C'), reading(2, 22)).unit, '°C');
    assert.equal(summed(reading(0, 20), reading(1, 'open', '°C')).unit, undefined, 'of words there is none');
    assert.equal(summed(reading(0, 20, '')).unit, undefined);
  });

  it('are never added to each other', () => {
    const mixed = summed(reading(0, 20, '°C'), reading(1, 70, '°F'), reading(2, 21, '°C'));
    const view = viewOf('s', 60, START, mixed);
    assert.deepEqual(
      [view.count, view.numeric, view.mixed, view.unit, view.sum, view.mean, view.min, view.p50],
      [3, 0, true, null, '0', null, null, null],
    );
    assert.deepEqual([view.first, view.last], [20, 21], 'what was read first and last is known');
    const later = foldSummaries([mixed, summed(reading(3, 22, '°C'))]);
    assert.deepEqual(
      [later.count, later.mixed, later.last?.value],
      [4, true, 22],
      'and stays unknown in a longer window',
    );
  });

  it('change between two windows without a loss in either, and are mixed only where both come together', () => {
    const windows = new SeriesWindows(new LadderPlan([60, 900]).for('s'));
    const add = (second: number, value: number, unit: string): unknown =>
      windows.add(reading(second, value, unit), 0, assert.fail);
    for (let second = 0; second < 60; second++) add(second, 20, '°C');
    for (let second = 60; second < 120; second++) add(second, 68, '°F');
    const minutes = windows.takeAll(60, 0)!.closed.map(({ summary }) => [summary.unit, summary.min, summary.numeric]);
    assert.deepEqual(minutes, [
      ['°C', 20, 60],
      ['°F', 68, 60],
    ]);
    const [quarter] = windows.takeAll(900, 0)!.closed;
    assert.deepEqual([quarter.summary.count, quarter.summary.mixed, quarter.summary.numeric], [120, true, 0]);
  });

  it('refuse the same numbers as any window', () => {
    const window = new WindowAccumulator();
    window.add(reading(0, 1, 'a'));
    assert.throws(() => window.add(reading(1, Number.NaN, 'b')), { code: 'not-a-decimal' });
    assert.deepEqual([window.summary().mixed, window.summary().unit], [false, 'a']);
  });

  it('are cut to what a summary holds', () => {
    const { unit } = summed(reading(0, 1, `${'x'.repeat(63)}\u{1f321}`));
    assert.equal(unit, 'x'.repeat(63));
  });
});
