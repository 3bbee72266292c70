import assert from 'node:assert/strict';
import { looksLikeReadings, readingFromFlow, readingsFromFlow } from '../../../nodes/src/reading/from-flow.ts';

const NOW = Date.UTC(2026, 10, 21);

describe('readings from a flow', () => {
  it('get what they leave out, and keep what a reading has', () => {
    assert.deepEqual(readingFromFlow({ series: 'a/b', value: 1 }, NOW), {
      series: 'a/b',
      value: 1,
      time: NOW,
      quality: 'good',
      clock: 'gateway',
    });
    const whole = {
      series: 'a',
      value: 'x',
      time: NOW - 5,
      quality: 'bad',
      clock: 'device',
      unit: 'V',
      position: 7,
      stale: true,
    };
    assert.deepEqual(readingFromFlow({ ...whole, anomaly: 0.5, other: 1 }, NOW), whole);
  });

  it('are refused one by one', () => {
    const bad: [unknown, string][] = [
      [null, 'unreadable'],
      [7, 'unreadable'],
      [{ value: 1 }, 'no-series'],
      [{ series: '', value: 1 }, 'no-series'],
      [{ series: 'x'.repeat(513), value: 1 }, 'no-series'],
      [{ series: 'a', value: {} }, 'not-a-number'],
      [{ series: 'a', value: Number.NaN }, 'not-a-number'],
      [{ series: 'a', value: 1e-30 }, 'too-precise'],
      [{ series: 'a', value: 'x'.repeat(2000) }, 'too-long'],
      [{ series: 'a', value: 1, time: 'now' }, 'absurd-time'],
      [{ series: 'a', value: 1, time: 5 }, 'absurd-time'],
      [{ series: 'a', value: 1, time: NOW + 25 * 3_600_000 }, 'absurd-time'],
    ];
    const { readings, problems } = readingsFromFlow([...bad.map(([item]) => item), { series: 'good', value: 1 }], NOW);
    assert.deepEqual(
      problems.map(({ code }) => code),
      bad.map(([, code]) => code),
    );
    assert.deepEqual(
      readings.map(({ series }) => series),
      ['good'],
    );
  });

  it('are told from other lists', () => {
    assert.ok(looksLikeReadings([{ series: 'a', value: 1 }]));
    for (const other of [[], [1], [{ n: 'a' }], [null], 'x', { series: 'a' }]) assert.ok(!looksLikeReadings(other));
  });
});
