import assert from 'node:assert/strict';
import type { Gap } from '@tidegate/nodes/vault';
import { type Asked, MissingReadings, missingText } from '../../../nodes/src/vault/query/missing.ts';

const gap = (fields: Partial<Gap>): Gap => ({
  id: 1,
  last: 1,
  writer: '0'.repeat(32),
  at: 5_000,
  cause: 'quota',
  what: 'readings',
  count: 10,
  timeFrom: 1_000,
  timeTo: 1_999,
  series: 'all',
  ...fields,
});

const missing = (asked: Partial<Asked>, ...gaps: Gap[]): ReturnType<MissingReadings['list']> => {
  const found = new MissingReadings({ from: -Infinity, to: Infinity, series: new Set([1, 2]), all: false, ...asked });
  for (const one of gaps) found.add(one);
  return found.list();
};

const counts = (from: number, to: number): number => missing({ from, to }, gap({})).length;
const exact = (asked: Partial<Asked>, fields: Partial<Gap> = {}): boolean => missing(asked, gap(fields))[0].exact;

describe('what is missing from an answer', () => {
  it('lies in the time that was asked for: from inclusive, to exclusive', () => {
    assert.deepEqual(
      [counts(0, 1_000), counts(0, 1_001), counts(1_999, 3_000), counts(2_000, 3_000), counts(-Infinity, Infinity)],
      [0, 1, 1, 0, 1],
    );
  });

  it('is counted exactly only where a loss lies within the time and the series that were asked for', () => {
    assert.equal(exact({ all: true }), true);
    assert.equal(exact({ all: false }), false);
    assert.equal(exact({}, { series: [1, 2] }), true);
    assert.equal(exact({}, { series: [2, 3] }), false);
    assert.equal(exact({}, { series: undefined }), false, 'nobody said of which series');
    assert.equal(exact({ all: true, from: 1_001 }), false);
    assert.equal(exact({ all: true, to: 1_999 }), false);
  });

  it('is of these series, and of readings that were there', () => {
    assert.deepEqual(missing({}, gap({ series: [3, 4] })), []);
    assert.deepEqual(missing({}, gap({ what: 'blocks' }), gap({ what: 'alerts' }), gap({ count: 0 })), []);
    // Windows that were open: the readings came back with the copy.
    assert.deepEqual(missing({ all: true }, gap({ cause: 'restored' })), []);
  });

  it('is added up by cause, the largest first, and told in one line', () => {
    const found = missing(
      { all: true, from: 0, to: 86_400_000 },
      gap({ count: 1, cause: 'damaged' }),
      gap({ count: 1_200, cause: 'shredded' }),
      gap({ count: 34, cause: 'shredded', timeFrom: 5_000, timeTo: 90_000_000 }),
    );
    assert.deepEqual(found, [
      { cause: 'shredded', count: 1_234, exact: false, from: 1_000, to: 86_399_999 },
      { cause: 'damaged', count: 1, exact: true, from: 1_000, to: 1_999 },
    ]);
    assert.equal(
      missingText(found),
      'not all that was stored is in the answer: ' +
        'up to 1,234 readings shredded (1970-01-01T00:00:01.000Z to 1970-01-01T23:59:59.999Z); ' +
        '1 reading damaged (1970-01-01T00:00:01.000Z to 1970-01-01T00:00:01.999Z)',
    );
    for (const cause of ['quota', 'retention', 'overrun'] as const)
      assert.match(missingText(missing({ all: true }, gap({ cause }))), /10 readings (given up|let go) /);
  });
});
