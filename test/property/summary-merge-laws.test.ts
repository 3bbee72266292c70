import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  addReading,
  decimalToNumber,
  decodeSummary,
  emptySummary,
  encodeSummary,
  foldSummaries,
  quantile,
  RELATIVE_ERROR,
  WindowAccumulator,
  type Summary,
} from '@tidegate/nodes/summary';
import type { Reading } from '@tidegate/nodes/reading';
import { exactSum, readings, severalUnits } from './summary-arbitraries.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;
const UNITS = { units: severalUnits };

const summarise = (all: readonly Reading[]): Summary => {
  const accumulator = new WindowAccumulator();
  for (const reading of all) accumulator.add(reading);
  return accumulator.summary();
};

const hex = (summary: Summary): string => Buffer.from(encodeSummary(summary)).toString('hex');

/** Readings, and the same readings in another order. */
const shuffled = readings(UNITS).chain((all) =>
  fc.shuffledSubarray(all, { minLength: all.length }).map((order): [Reading[], Reading[]] => [all, order]),
);

describe('merge laws of summaries, on encoded bytes', () => {
  it('gives the same bytes for every order of the readings', () => {
    fc.assert(
      fc.property(shuffled, ([all, order]) => {
        assert.equal(hex(summarise(order)), hex(summarise(all)));
      }),
      { numRuns: 150 },
    );
  });

  it('gives the same bytes for every partition into parts, folded in any order and any grouping', () => {
    fc.assert(
      fc.property(
        readings(UNITS),
        fc.array(fc.nat(5), { minLength: 64, maxLength: 64 }),
        fc.boolean(),
        (all, owner, turn) => {
          const parts = Array.from({ length: 6 }, (_, part) => summarise(all.filter((_, i) => owner[i % 64] === part)));
          const list = turn ? parts.toReversed() : parts;
          const left = list.reduce((before, part) => foldSummaries([before, part]));
          const right = list.reduceRight((after, part) => foldSummaries([part, after]));
          assert.equal(hex(left), hex(summarise(all)));
          assert.equal(hex(right), hex(summarise(all)));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('folds sixty minutes to the very bytes of the hour, through the wire', () => {
    fc.assert(
      fc.property(readings({ ...UNITS, span: HOUR, maxLength: 200 }), (all) => {
        const minutes = new Map<number, Reading[]>();
        for (const reading of all) {
          const start = Math.floor(reading.time / MINUTE) * MINUTE;
          minutes.set(start, [...(minutes.get(start) ?? []), reading]);
        }
        const parts = [...minutes.values()].map((minute) => decodeSummary(encodeSummary(summarise(minute))));
        assert.equal(hex(foldSummaries(parts)), hex(summarise(all)));
      }),
      { numRuns: 100 },
    );
  });

  it('has the empty summary for neutral element, and adds readings one by one to the same bytes', () => {
    fc.assert(
      fc.property(readings({ ...UNITS, maxLength: 20 }), (all) => {
        const whole = summarise(all);
        assert.equal(hex(foldSummaries([emptySummary(), whole, emptySummary()])), hex(whole));
        assert.equal(hex(all.reduce((summary, reading) => addReading(summary, reading), emptySummary())), hex(whole));
      }),
      { numRuns: 100 },
    );
  });

  it('leaves what it folds as it was', () => {
    fc.assert(
      fc.property(readings(UNITS), readings(UNITS), (some, others) => {
        const a = summarise(some);
        const b = summarise(others);
        const before = [hex(a), hex(b)];
        foldSummaries([a, b]);
        assert.deepEqual([hex(a), hex(b)], before);
      }),
      { numRuns: 50 },
    );
  });

  it('sums exactly what was read', () => {
    fc.assert(
      fc.property(readings(), (all) => {
        const numbers = all
          .filter(({ quality, value }) => quality !== 'bad' && typeof value !== 'string')
          .map(({ value }) => Number(value));
        const { sum, squares, numeric, min, max } = summarise(all);
        assert.equal(numeric, numbers.length);
        assert.deepEqual(sum, exactSum(numbers, 1));
        assert.deepEqual(squares, exactSum(numbers, 2));
        assert.equal(min, numbers.length === 0 ? undefined : Math.min(...numbers) + 0);
        assert.equal(max, numbers.length === 0 ? undefined : Math.max(...numbers) + 0);
      }),
      { numRuns: 200 },
    );
  });

  it('estimates every quantile within one per cent, after any merge', () => {
    fc.assert(
      fc.property(readings(), readings(), fc.double({ min: 0, max: 1, noNaN: true }), (some, others, q) => {
        const numbers = [...some, ...others]
          .filter(({ quality, value }) => quality !== 'bad' && typeof value !== 'string')
          .map(({ value }) => Number(value))
          .toSorted((a, b) => a - b);
        const estimate = quantile(foldSummaries([summarise(some), summarise(others)]), q);
        assert.equal(estimate === undefined, numbers.length === 0);
        if (estimate === undefined) return;
        const exact = numbers[Math.floor(q * (numbers.length - 1))]!;
        assert.ok(
          Math.abs(estimate - exact) <= Math.abs(exact) * RELATIVE_ERROR * (1 + 1e-9),
          `${estimate} for ${exact}`,
        );
      }),
      { numRuns: 200 },
    );
  });

  it('rounds only at the very end', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 100 }), (cents) => {
        const summary = summarise(
          cents.map((cent, i) => ({
            series: 's',
            time: i,
            value: cent / 100,
            quality: 'good',
            clock: 'device',
            position: i + 1,
          })),
        );
        assert.equal(decimalToNumber(summary.sum), cents.reduce((sum, cent) => sum + cent, 0) / 100);
      }),
      { numRuns: 100 },
    );
  });
});
