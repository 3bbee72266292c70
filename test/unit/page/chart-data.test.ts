import assert from 'node:assert/strict';

import type { StateTime, SummaryView } from '../../../cloud-bridge/src/api/contract.ts';
import {
  chartData,
  foreignNote,
  gapsOf,
  inUnit,
  lonelyPoints,
  mergeWindows,
  middleBand,
  overall,
  stateTimes,
  unitOf,
} from '../../../cloud-bridge/src/page/chart-data.ts';
import { SPARK, sparkPath } from '../../../cloud-bridge/src/page/spark-path.ts';

const MINUTE = 60_000;

function windowAt(minute: number, mean: number | null = minute, numeric = 10): SummaryView {
  const about = (by: number): number | null => (mean === null ? null : mean + by);
  return {
    windowStart: minute * MINUTE,
    resolution: 60,
    whole: true,
    parts: 1,
    count: 10,
    numeric: mean === null ? 0 : numeric,
    unit: null,
    mixed: false,
    sum: String((mean ?? 0) * numeric),
    squares: '0',
    mean,
    min: about(-2),
    max: about(2),
    first: null,
    last: null,
    p10: about(-1),
    p50: mean,
    p90: about(1),
    anomalies: 1,
    uncertain: 0,
    bad: 0,
    changes: null,
    states: null,
  };
}

describe('columns of a chart', () => {
  it('puts each window at its middle, in seconds', () => {
    const data = chartData([windowAt(1), windowAt(2)]);
    assert.deepEqual(data.x, [90, 150]);
    assert.deepEqual(data.mean, [1, 2]);
    assert.deepEqual([data.min[0], data.p10[0], data.p90[0], data.max[0]], [-1, 0, 2, 3]);
  });

  it('breaks every line where windows are missing', () => {
    const data = chartData([windowAt(1), windowAt(5)]);
    assert.equal(data.x.length, 3);
    for (const column of [data.mean, data.min, data.max, data.p10, data.p90]) assert.equal(column[1], null);
    assert.ok(data.x[1] > data.x[0] && data.x[1] < data.x[2], 'times ascend');
  });

  it('draws a coarse window that stands in over all of its time', () => {
    const coarse = { ...windowAt(0), resolution: 900 };
    const fine = windowAt(15);
    assert.deepEqual(chartData([coarse, fine]).x, [450, 930], 'and no gap between the two');
    assert.deepEqual(
      gapsOf([coarse, fine], 60, { from: 0, to: 16 * MINUTE }, { firstWindow: 0, lastWindow: 15 * MINUTE }),
      [],
    );
    const fines = Array.from({ length: 15 }, (_, i) => windowAt(i));
    assert.deepEqual(
      mergeWindows([coarse, fine], [...fines, fine], 0),
      [...fines, fine],
      'it gives way to the finer ones',
    );
  });

  it('leaves windows without numbers empty', () => {
    assert.deepEqual(chartData([windowAt(1, null)]).mean, [null]);
  });

  it('leaves out the quantiles where their error is wider than the values lie apart', () => {
    const tight = { ...windowAt(1, 233), min: 232.8, max: 233.4, p10: 231.9, p90: 231.9 };
    assert.equal(middleBand(tight), null);
    assert.deepEqual([chartData([tight]).p10, chartData([tight]).max], [[null], [233.4]]);
    assert.deepEqual(middleBand({ ...windowAt(1, 9), min: 8, max: 10, p10: 7.95, p90: 9.7 }), { p10: 8, p90: 9.7 });
  });

  it('finds the points that no line reaches', () => {
    assert.deepEqual(lonelyPoints([1, null, 2, 3, null, 4, null]), [0, 5]);
    assert.deepEqual(lonelyPoints([]), []);
  });
});

describe('gaps', () => {
  const extent = { firstWindow: 0, lastWindow: 20 * MINUTE };

  it('lie between windows and where newer windows exist, at both ends', () => {
    const gaps = gapsOf([windowAt(4), windowAt(5), windowAt(8)], 60, { from: 2 * MINUTE, to: 12 * MINUTE }, extent);
    assert.deepEqual(
      gaps.map(({ from, to }) => [from / MINUTE, to / MINUTE]),
      [
        [2, 4],
        [6, 8],
        [9, 12],
      ],
    );
  });

  it('are the whole stretch when it has no window', () => {
    assert.deepEqual(gapsOf([], 60, { from: 0, to: 5 * MINUTE }, extent), [{ from: 0, to: 5 * MINUTE }]);
  });

  it('do not lie before the series began nor after its newest window', () => {
    const young = { firstWindow: 4 * MINUTE, lastWindow: 5 * MINUTE };
    assert.deepEqual(gapsOf([windowAt(4), windowAt(5)], 60, { from: 0, to: 60 * MINUTE }, young), []);
  });

  it('do not count a coarse window that is still open', () => {
    const fine = { firstWindow: 0, lastWindow: 29 * MINUTE };
    assert.deepEqual(gapsOf([{ ...windowAt(0), resolution: 900 }], 900, { from: 0, to: 30 * MINUTE }, fine), []);
  });

  it('are none for a series without windows', () => {
    assert.deepEqual(gapsOf([], 60, { from: 0, to: MINUTE }, { firstWindow: null, lastWindow: null }), []);
  });
});

describe('newer answers over older windows', () => {
  it('replaces, appends, sorts and forgets what has slid out', () => {
    const merged = mergeWindows([windowAt(1), windowAt(2), windowAt(3)], [windowAt(3, 30), windowAt(4)], 2 * MINUTE);
    assert.deepEqual(
      merged.map(({ windowStart, mean }) => [windowStart / MINUTE, mean]),
      [
        [2, 2],
        [3, 30],
        [4, 4],
      ],
    );
  });

  it('weighs means by their readings', () => {
    const all = overall([windowAt(1, 10, 30), windowAt(2, 20, 10), windowAt(3, null)]);
    assert.equal(all.mean, 12.5);
    assert.deepEqual([all.min, all.max, all.count, all.anomalies], [8, 22, 30, 3]);
    assert.equal(overall([]).mean, null);
  });
});

const told = (minute: number, changes: number, states: StateTime[] | null): SummaryView => ({
  ...windowAt(minute),
  changes,
  states,
});

describe('time in states', () => {
  it('adds up over windows, longest first', () => {
    const windows = [
      told(1, 1, [
        { state: false, milliseconds: 10 },
        { state: true, milliseconds: 50 },
      ]),
      windowAt(2),
      told(3, 2, [{ state: false, milliseconds: 70 }]),
    ];
    assert.deepEqual(stateTimes(windows), [
      { state: false, milliseconds: 80 },
      { state: true, milliseconds: 50 },
    ]);
    assert.equal(overall(windows).changes, 3);
  });

  it('is not known where one window had too many states', () => {
    assert.equal(stateTimes([told(1, 30, null), told(2, 0, [{ state: 'run', milliseconds: 5 }])]), null);
    assert.deepEqual(stateTimes([windowAt(1)]), []);
  });
});

describe('sparkline', () => {
  const interval = { from: 0, to: 10 * MINUTE };

  it('begins a new stroke after a gap', () => {
    const path = sparkPath([windowAt(1), windowAt(2), windowAt(6), windowAt(7)], interval);
    assert.equal(path.match(/M/g)?.length, 2);
  });

  it('stays within its drawing, also when flat', () => {
    for (const windows of [
      [windowAt(1), windowAt(9)],
      [windowAt(1, 5), windowAt(2, 5)],
    ]) {
      const numbers = [...sparkPath(windows, interval).matchAll(/[ML]([\d.-]+) ([\d.-]+)/g)];
      assert.ok(numbers.length >= 3);
      for (const [, x, y] of numbers) {
        assert.ok(Number(x) >= 0 && Number(x) <= SPARK.width, `x ${x}`);
        assert.ok(Number(y) >= 0 && Number(y) <= SPARK.height, `y ${y}`);
      }
    }
  });

  it('is empty without numbers', () => {
    assert.equal(sparkPath([windowAt(1, null)], interval), '');
  });
});

describe('windows in several units', () => {
  const inside = (minute: number, unit: string | null): SummaryView => ({ ...windowAt(minute), unit });
  const celsius = [inside(1, '°C'), inside(2, '°C')];
  const changed: SummaryView = { ...windowAt(3, null), mixed: true };
  const windows = [...celsius, changed, inside(4, '°F'), inside(5, null)];

  it('are drawn in the newest one alone, and it is said which are not', () => {
    const unit = unitOf(windows, { unit: 'what the catalogue says' });
    assert.equal(unit, '°F');
    assert.deepEqual(chartData(inUnit(windows, unit)).mean, [null, null, null, 4, 5]);
    assert.deepEqual([overall(inUnit(windows, unit)).min, overall(inUnit(windows, unit)).count], [2, 50]);
    assert.equal(
      foreignNote(windows, unit),
      'Not drawn here, but in the table: 3 windows in °C or in more than one unit.',
    );
  });

  it('are all drawn while there is one, or none', () => {
    assert.deepEqual(inUnit(celsius, '°C'), celsius);
    assert.equal(foreignNote([...celsius, inside(3, null)], '°C'), null);
    assert.equal(unitOf([inside(1, null)], { unit: 'bar' }), 'bar');
  });
});
