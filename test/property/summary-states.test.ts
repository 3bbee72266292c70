import assert from 'node:assert/strict';
import fc from 'fast-check';
import { encodeSummary, foldSummaries, MAX_STATES, quantile, statesOf, type Summary } from '@tidegate/nodes/summary';
import { readings, summarise, switches, traced, widths, type Traced } from './summary-arbitraries.ts';

const hex = (summary: Summary): string => Buffer.from(encodeSummary(summary)).toString('hex');
const owners = fc.array(fc.nat(5), { minLength: 64, maxLength: 64 });

/** Readings dealt out to parts, as late ones and several windows do. */
const dealt = (list: readonly Traced[], owner: readonly number[]): Traced[][] =>
  Array.from({ length: 6 }, (_, part) => list.filter((_one, i) => owner[i % 64] === part));

const listOf = (numbers: readonly number[]): Traced[] =>
  numbers.map((value, i) => [
    { series: 's', time: i, value, quality: 'good', clock: 'device', position: i + 1 },
    undefined,
  ]);

const at = (time: number, value: boolean | string): Parameters<typeof traced>[0][number] => ({
  series: 's',
  time,
  value,
  quality: 'good',
  clock: 'device',
  position: 1,
});

describe('states and changes', () => {
  it('fold to the same bytes in any order and any grouping', () => {
    fc.assert(
      fc.property(switches({ maxLength: 120 }), owners, (list, owner) => {
        const all = traced(list);
        const parts = dealt(all, owner).map((some) => summarise(some));
        const whole = hex(summarise(all));
        assert.equal(hex(parts.reduce((before, part) => foldSummaries([before, part]))), whole);
        assert.equal(hex(parts.reduceRight((after, part) => foldSummaries([part, after]))), whole);
        assert.equal(hex(foldSummaries([foldSummaries(parts.slice(0, 3)), foldSummaries(parts.slice(3))])), whole);
      }),
      { numRuns: 300 },
    );
  });

  it('add up to the time from the first reading to the last, and to the changes between', () => {
    fc.assert(
      fc.property(switches({ maxLength: 40 }), (list) => {
        const told = list
          .filter(({ quality, value }) => quality !== 'bad' && typeof value !== 'number')
          .toSorted((a, b) => a.time - b.time);
        fc.pre(list.every(({ value }) => typeof value !== 'number'));
        const inOrder = list.toSorted((a, b) => a.time - b.time);
        const { states, changes } = summarise(traced(inOrder));
        let expected = 0;
        for (let i = 1; i < told.length; i++) {
          const [before, after] = [told[i - 1], told[i]].map(({ value }) =>
            typeof value === 'string' ? value.slice(0, 256) : value,
          );
          if (before !== after) expected++;
        }
        assert.equal(changes, expected);
        const known = statesOf(states);
        if (known === undefined) return;
        const total = known.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
        assert.equal(total, told.length === 0 ? 0 : told.at(-1)!.time - told[0].time);
      }),
      { numRuns: 200 },
    );
  });

  it('are none for readings out of order, which end nothing that was counted', () => {
    const { states, changes, count } = summarise(
      traced([at(1000, true), at(4000, false), at(2000, true), at(4000, false), at(9000, 'true'), at(9500, 'true')]),
    );
    assert.deepEqual(statesOf(states), [
      { state: false, milliseconds: 5000 },
      { state: true, milliseconds: 3000 },
      { state: 'true', milliseconds: 500 },
    ]);
    assert.deepEqual([changes, count], [2, 6]);
  });

  it('are not kept when there are too many, whichever part brought which', () => {
    const list = Array.from({ length: MAX_STATES + 2 }, (_, i) => ({
      series: 's',
      time: i * 1000,
      value: `state ${i}`,
      quality: 'good' as const,
      clock: 'device' as const,
      position: i + 1,
    }));
    const all = traced(list);
    assert.equal(statesOf(summarise(all.slice(0, -1)).states)?.length, MAX_STATES);
    const { states, changes } = summarise(all);
    assert.deepEqual([states, changes], ['many', MAX_STATES + 1]);
    assert.equal(statesOf(states), undefined);
  });

  it('of numbers are none, and take no byte', () => {
    fc.assert(
      fc.property(readings({ maxLength: 20 }), (list) => {
        const numbers = list.filter(({ value }) => typeof value === 'number');
        const { states, changes } = summarise(traced(numbers));
        assert.deepEqual([states, changes], [new Map(), 0]);
      }),
    );
  });
});

describe('sketches of a fixed width', () => {
  const values = fc.array(
    fc.oneof(
      fc.integer({ min: -3000, max: 3000 }).map((thousandths) => thousandths / 1000),
      fc.constantFrom(0, -0, 0.25, -0.25, 1e-18),
    ),
    { minLength: 1, maxLength: 80 },
  );
  it('estimate every quantile within half a bucket, also near zero and after merges', () => {
    fc.assert(
      fc.property(
        values,
        owners,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.constantFrom(0.5, 0.1, 0.01),
        (numbers, owner, q, width) => {
          const folded = foldSummaries(dealt(listOf(numbers), owner).map((some) => summarise(some, width)));
          const exact = numbers.toSorted((a, b) => a - b)[Math.floor(q * (numbers.length - 1))];
          const estimate = quantile(folded, q)!;
          assert.ok(Math.abs(estimate - exact) <= (width / 2) * (1 + 1e-9), `${estimate} for ${exact}`);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('of different kinds fold to one that knows no quantiles, to the same bytes in any order', () => {
    fc.assert(
      fc.property(
        readings({ maxLength: 40 }),
        owners,
        fc.array(widths, { minLength: 6, maxLength: 6 }),
        (list, owner, kinds) => {
          const parts = dealt(traced(list), owner).map((some, i) => summarise(some, kinds[i]));
          const folded = foldSummaries(parts);
          assert.equal(hex(parts.reduce((before, part) => foldSummaries([before, part]))), hex(folded));
          assert.equal(hex(parts.reduceRight((after, part) => foldSummaries([part, after]))), hex(folded));
          const used = new Set(kinds.filter((_, i) => parts[i].numeric > 0));
          if (used.size > 1) assert.ok(folded.sketch.unknown && quantile(folded, 0.5) === undefined);
          assert.equal(
            folded.numeric,
            list.filter(({ quality, value }) => quality !== 'bad' && typeof value !== 'string').length,
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('know nothing beyond their bounds, and count on all the same', () => {
    const wide = Array.from({ length: 4097 }, (_, i) => i);
    for (const [numbers, width] of [
      [[0, 1e9, 5], 0.1],
      [wide, 1],
    ] as const) {
      const all = listOf(numbers);
      const summary = summarise(all, width);
      assert.deepEqual(
        [summary.sketch.unknown, summary.numeric, summary.max],
        [true, numbers.length, Math.max(...numbers)],
      );
      assert.equal(quantile(summary, 0.5), undefined);
      const halves = [all.slice(0, 1), all.slice(1)].map((some) => summarise(some, width));
      assert.ok(!halves[0].sketch.unknown);
      assert.equal(hex(foldSummaries(halves)), hex(summary));
      assert.equal(hex(foldSummaries(halves.toReversed())), hex(summary));
    }
    assert.throws(() => summarise(listOf([1e-30]), 1), { code: 'not-a-decimal' });
    assert.throws(() => summarise(listOf([1e36]), 1), { code: 'not-a-decimal' });
  });
});
