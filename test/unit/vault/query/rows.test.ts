import assert from 'node:assert/strict';
import fc from 'fast-check';
import { NearestRows } from '../../../../nodes/src/vault/query/nearest-rows.ts';
import { requestOf } from '../../../../nodes/src/vault/query/request.ts';
import { coveredSeries, type Outcome, readingPages, shaped } from '../../../../nodes/src/vault/query/rows.ts';
import { MemoryCatalogue } from '../../../../nodes/src/vault/series-catalogue.ts';

interface Row {
  time: number;
  id: number;
}

const outcome = (): Outcome => ({ count: 0, series: 0, complete: true });
const timeOf = ({ time }: Row): number => time;

async function* paged(rows: readonly Row[], size: number, read: { pages: number } = { pages: 0 }) {
  for (let i = 0; i < rows.length; i += size) {
    read.pages++;
    yield rows.slice(i, i + size);
  }
}

async function all<T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> {
  const rows: T[] = [];
  for await (const page of pages) rows.push(...page);
  return rows;
}

const rowsArbitrary = fc
  .array(fc.integer({ min: 0, max: 30 }), { maxLength: 60 })
  .map((times) => times.map((time, id) => ({ time, id })));

describe('rows of an answer', () => {
  it('end at the limit, and say whether there was more', async () => {
    await fc.assert(
      fc.asyncProperty(
        rowsArbitrary,
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 9 }),
        async (rows, limit, size) => {
          const told = outcome();
          assert.deepEqual(
            await all(shaped(paged(rows, size), { order: 'series', limit }, told, timeOf)),
            rows.slice(0, limit),
          );
          assert.deepEqual(told, { count: Math.min(limit, rows.length), series: 0, complete: rows.length <= limit });
        },
      ),
    );
  });

  it('read no more than one page beyond the limit', async () => {
    const rows = Array.from({ length: 1000 }, (_, id) => ({ time: id, id }));
    const read = { pages: 0 };
    await all(shaped(paged(rows, 10, read), { order: 'series', limit: 20 }, outcome(), timeOf));
    assert.equal(read.pages, 3);
  });

  it('are the oldest or the newest of all, equal times as they came', async () => {
    await fc.assert(
      fc.asyncProperty(rowsArbitrary, fc.integer({ min: 1, max: 70 }), fc.boolean(), async (rows, limit, newest) => {
        const told = outcome();
        const order = newest ? 'newest' : 'oldest';
        // A sort of an array is stable (ECMA-262), which is the order that is promised.
        const sorted = rows.toSorted((a, b) => (newest ? b.time - a.time : a.time - b.time));
        assert.deepEqual(await all(shaped(paged(rows, 7), { order, limit }, told, timeOf)), sorted.slice(0, limit));
        assert.equal(told.complete, rows.length <= limit);
        assert.equal(told.count, Math.min(limit, rows.length));
      }),
    );
  });

  it('in order of time come in pieces, all of them', async () => {
    const rows = Array.from({ length: 7001 }, (_, id) => ({ time: (id * 7919) % 5003, id }));
    const pages: (readonly Row[])[] = [];
    for await (const page of shaped(paged(rows, 5000), { order: 'oldest', limit: 6500 }, outcome(), timeOf))
      pages.push(page);
    assert.ok(pages.length > 1);
    assert.deepEqual(pages.flat(), rows.toSorted((a, b) => a.time - b.time).slice(0, 6500));
  });
});

describe('nearest rows', () => {
  it('keep no more than their limit', () => {
    const nearest = new NearestRows<number>(3, (row) => row);
    for (const row of [5, 1, 4, 1, 3, 9, 0]) nearest.offer(row);
    assert.equal(nearest.kept, 3);
    assert.equal(nearest.offered, 7);
    assert.deepEqual(nearest.takeLast(2), [1, 1]);
    assert.deepEqual(nearest.takeLast(2), [0]);
    assert.deepEqual(nearest.takeLast(2), []);
  });
});

describe('series of a query', () => {
  const entries = ['b/t', 'a/t', 'a/p'].map((name, i) => ({ number: i + 1, name, kind: 'number' as const }));
  const catalogue = new MemoryCatalogue(entries, 3);

  it('are those of the catalogue that a pattern covers, sorted', async () => {
    assert.deepEqual(await coveredSeries(catalogue, ['*/t']), ['a/t', 'b/t']);
    assert.deepEqual(await coveredSeries(catalogue, ['a/**', 'a/t', 'c']), ['a/p', 'a/t']);
  });

  it('are what the vault is asked for, with the bounds that there are', async () => {
    const asked: unknown[] = [];
    const vault = {
      series: catalogue,
      query(query: unknown) {
        asked.push(query);
        return paged([], 1) as never;
      },
    };
    const told = outcome();
    await all(readingPages(vault, requestOf({ series: 'a/*', from: 5 }, 0), told));
    await all(readingPages(vault, requestOf({ series: 'nothing', from: 5 }, 0), outcome()));
    assert.deepEqual(asked, [{ series: ['a/p', 'a/t'], from: 5 }]);
    assert.equal(told.series, 2);
  });
});
