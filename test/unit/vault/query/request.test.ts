import assert from 'node:assert/strict';
import { momentOf } from '../../../../nodes/src/vault/query/moment.ts';
import { requestOf } from '../../../../nodes/src/vault/query/request.ts';

const NOW = Date.UTC(2026, 4, 1, 12);
const HOUR = 3_600_000;

describe('moments', () => {
  it('are given as dates, as milliseconds, or from now', () => {
    const cases: [unknown, number][] = [
      ['now', NOW],
      ['-24h', NOW - 24 * HOUR],
      ['now-15m', NOW - HOUR / 4],
      ['+1.5h', NOW + 1.5 * HOUR],
      ['-7d', NOW - 168 * HOUR],
      ['-2w', NOW - 336 * HOUR],
      ['-250ms', NOW - 250],
      ['-10s', NOW - 10_000],
      [1_750_000_000_000, 1_750_000_000_000],
      ['1750000000000', 1_750_000_000_000],
      [new Date(5), 5],
      ['2026-05-01', Date.UTC(2026, 4, 1)],
      ['2026-05-01T06:30', Date.UTC(2026, 4, 1, 6, 30)],
      ['2026-05-01 06:30:15.25', Date.UTC(2026, 4, 1, 6, 30, 15, 250)],
      ['2026-05-01T06:30:15Z', Date.UTC(2026, 4, 1, 6, 30, 15)],
      ['2026-05-01T06:30:15+02:00', Date.UTC(2026, 4, 1, 4, 30, 15)],
      [' now ', NOW],
    ];
    for (const [given, expected] of cases) assert.equal(momentOf(given, NOW), expected, String(given));
  });

  it('are refused when they are none', () => {
    for (const given of [
      '',
      'yesterday',
      '-24',
      '24h',
      '2026-13-01',
      '2026-05-01T25:00',
      '1e20',
      Number.NaN,
      Infinity,
      8.64e15 + 1,
      '99999999999999999',
      null,
      undefined,
      {},
      new Date(Number.NaN),
      'x'.repeat(100),
    ])
      assert.throws(() => momentOf(given, NOW, 'from'), {
        code: 'bad-query',
        message: /^from is .*allowed are ISO 8601/,
      });
  });
});

describe('a request', () => {
  it('has no bounds where none are given', () => {
    const expected = { series: ['a'], from: -Infinity, to: Infinity, order: 'series' };
    assert.deepEqual(requestOf({ series: 'a' }, NOW), expected);
    const blank = { series: ['a'], from: '', to: null, resolution: '', order: '', limit: undefined };
    assert.deepEqual(requestOf(blank, NOW), expected);
  });

  it('takes resolutions and limits as text and as numbers', () => {
    for (const [given, seconds] of [
      ['60', 60],
      [60, 60],
      ['15m', 900],
      ['1h', 3600],
      ['1d', 86_400],
      ['5s', 5],
      ['raw', undefined],
      ['0', undefined],
    ] as const)
      assert.equal(requestOf({ series: 'a', resolution: given }, NOW).resolution, seconds);
    assert.equal(requestOf({ series: 'a', limit: '25' }, NOW).limit, 25);
    assert.equal(requestOf({ series: 'a', limit: 25, order: 'newest' }, NOW).order, 'newest');
  });

  it('is refused with what was found and what is allowed', () => {
    for (const [fields, says] of [
      [{}, /no series is named; give a name/],
      [{ series: [] }, /no series is named/],
      [{ series: [5] }, /a series is number/],
      [{ series: ['a', 'b/#/c'] }, /the series "b\/#\/c" has # before its end/],
      [{ series: Array(1001).fill('a') }, /1001 series are named; at most 1000/],
      [{ series: 'a', from: 'x' }, /from is "x"/],
      [{ series: 'a', from: 'now', to: '-1h' }, /from \(2026-05-01T12:00:00\.000Z\) is after to/],
      [{ series: 'a', resolution: '2d' }, /resolution is "2d"; allowed: 1s to 1d/],
      [{ series: 'a', resolution: 1.5 }, /resolution is 1\.5/],
      [{ series: 'a', resolution: {} }, /resolution is \{\}/],
      [{ series: 'a', limit: 0 }, /limit is 0/],
      [{ series: 'a', limit: '-3' }, /limit is "-3"/],
      [{ series: 'a', order: 'up' }, /order is "up"; allowed: series, oldest, newest/],
      [{ series: 'a', order: 'newest' }, /order newest needs a limit of 1 to 100000; it is missing/],
      [{ series: 'a', order: 'newest', limit: 200_000 }, /it is 200000/],
    ] as const)
      assert.throws(() => requestOf(fields, NOW), { code: 'bad-query', message: says });
  });
});
