import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Reading } from '../../nodes/src/reading/reading.ts';
import { ReadingStore, type QueryCursor, type SegmentEntry } from '../../nodes/src/vault/readings/reading-store.ts';
import { readings } from '../support/readings.ts';
import { Names, bySeries, folded, named, queried, segmentSeals } from '../support/segments.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';

type Step =
  | { do: 'add'; readings: Reading[] }
  | { do: 'fold' | 'begin' | 'step' | 'abandon' | 'reopen' | 'forget' | 'query'; most?: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: readings({ minLength: 1, maxLength: 40 }).map((batch) => ({ do: 'add' as const, readings: batch })),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('fold', 'begin', 'step', 'abandon', 'reopen', 'forget', 'query'),
      most: fc.integer({ min: 1, max: 30 }),
    }),
  },
);

describe('the store of readings', () => {
  it('gives every reading once and in order, whatever is folded, given up and opened again between', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const disk = new SimulatedDisk();
        const seals = segmentSeals();
        const names = new Names();
        const all: Reading[] = [];
        let known: SegmentEntry[] = [];
        let { store } = ReadingStore.open(disk, seals, known);
        const add = (from: number): void => {
          let position = 1;
          for (const chunk of names.encode(all)) {
            if (position + chunk.count > from) store.add(chunk.bytes, position, Math.max(0, from - position));
            position += chunk.count;
          }
        };
        for (const one of [...steps, { do: 'query' as const, most: 7 }]) {
          if (one.do === 'add') {
            const from = all.length + 1;
            all.push(...names.decoded(one.readings));
            add(from);
          } else if (one.do === 'query') {
            const numbers = names.names.map((_, number) => number);
            assert.deepEqual(queried(store, names, numbers, { most: one.most! }), bySeries(all, names));
          } else if (one.do === 'abandon') store.abandonFold();
          else if (one.do === 'reopen' || one.do === 'forget') {
            store.close();
            const opened = ReadingStore.open(disk, seals, one.do === 'reopen' ? known : undefined);
            assert.deepEqual(opened.findings, []);
            assert.deepEqual(opened.store.entries(), known);
            store = opened.store;
            add(known.at(-1)?.positionTo ?? 1);
          } else {
            if (one.do !== 'step' && !store.folding && store.open.readings + store.waiting.readings > 0)
              store.startFold(all.length, all.length + 1);
            const entry = one.do === 'fold' && store.folding ? await folded(store) : store.foldStep(0);
            if (entry !== undefined) known = [...known, entry];
          }
        }
        assert.deepEqual([...store.verify()], []);
        store.close();
      }),
      { numRuns: 150 },
    );
  });

  it('finds just what was there at a cut, whatever is added and folded afterwards', async function () {
    this.timeout(60_000);
    const batch = readings({ minLength: 1, maxLength: 30 });
    const move = fc.constantFrom('add', 'begin', 'step', 'fold', 'abandon', 'query');
    const moves = fc.array(move, { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(batch, moves, moves, fc.integer({ min: 1, max: 20 }), async (some, before, after, most) => {
        const names = new Names();
        const { store } = ReadingStore.open(new SimulatedDisk(), segmentSeals(), []);
        const all: Reading[] = [];
        const run = async (one: string): Promise<void> => {
          if (one === 'add') {
            for (const chunk of names.encode(some)) store.add(chunk.bytes, all.length + 1);
            all.push(...names.decoded(some));
          } else if (one === 'abandon') store.abandonFold();
          else if (one === 'step') store.foldStep(0);
          else {
            if (!store.folding && store.open.readings > 0) store.startFold(1, all.length + 1);
            if (one === 'fold' && store.folding) await folded(store);
          }
        };
        for (const one of before) await run(one === 'query' ? 'add' : one);
        store.freeze();
        const there = [...all];
        const numbers = names.names.map((_, number) => number);
        const got: Reading[] = [];
        let cursor: QueryCursor | undefined;
        const page = (): boolean => {
          const { parts, next } = store.query(numbers, -Infinity, Infinity, cursor, most, there.length + 1);
          for (const part of parts) got.push(...named(part, names));
          cursor = next;
          return next !== undefined;
        };
        let more = page();
        for (const one of after) {
          if (one !== 'query') await run(one);
          else if (more) more = page();
        }
        if (more) while (page());
        assert.deepEqual(got, bySeries(there, names));
        assert.deepEqual(queried(store, names, [...names.names.keys()]), bySeries(all, names));
        store.close();
      }),
      { numRuns: 300 },
    );
  });

  it('goes on with a query where it was, when what was in memory has become a segment meanwhile', async function () {
    this.timeout(60_000);
    const batch = readings({ minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(batch, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.constantFrom('query', 'begin', 'fold', 'abandon'), { minLength: 6, maxLength: 6 }),
        fc.array(fc.constantFrom('query', 'query', 'begin', 'fold', 'abandon'), { minLength: 4, maxLength: 40 }),
        async (batches, most, moves, steps) => {
          const names = new Names();
          const { store } = ReadingStore.open(new SimulatedDisk(), segmentSeals(), []);
          const all: Reading[] = [];
          for (const [i, one] of batches.entries()) {
            const move = moves[i];
            if (move === 'abandon') store.abandonFold();
            else if (move !== 'query' && !store.folding && store.open.readings > 0) store.startFold(i, all.length + 1);
            if (move === 'fold' && store.folding) await folded(store);
            for (const chunk of names.encode(one)) store.add(chunk.bytes, all.length + 1);
            all.push(...names.decoded(one));
          }
          const numbers = names.names.map((_, number) => number);
          const got: Reading[] = [];
          let cursor: QueryCursor | undefined;
          const page = (): boolean => {
            const { parts, next } = store.query(numbers, -Infinity, Infinity, cursor, most);
            for (const part of parts) got.push(...named(part, names));
            cursor = next;
            return next !== undefined;
          };
          page();
          for (const one of steps) {
            if (cursor === undefined) break;
            if (one === 'query') page();
            else if (one === 'abandon') store.abandonFold();
            else {
              if (!store.folding && store.open.readings + store.waiting.readings > 0)
                store.startFold(3, all.length + 1);
              if (one === 'fold' && store.folding) await folded(store);
            }
          }
          if (cursor !== undefined) while (page());
          assert.deepEqual(got, bySeries(all, names));
          store.close();
        },
      ),
      { numRuns: 200 },
    );
  });
});
