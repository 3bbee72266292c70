import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addReading, emptySummary, type SummaryRow, summaryPages } from '@tidegate/nodes/summary';
import type { Reading } from '@tidegate/nodes/reading';
import type { ReadingQuery, SeriesCatalogue } from '@tidegate/nodes/vault';
import { decimalToString } from '../../../nodes/src/summary/decimal.ts';
import { quantile } from '../../../nodes/src/summary/sketch.ts';
import type { Summary } from '../../../nodes/src/summary/summary.ts';
import { MemoryCatalogue } from '../../../nodes/src/vault/series-catalogue.ts';

/** Readings of series `a` and `b` as a vault gives them: by series, then as they came. */
class Store {
  readonly readings: readonly Reading[];
  readonly series: SeriesCatalogue;
  readonly asked: ReadingQuery[] = [];
  private readonly page: number;

  constructor(readings: readonly Reading[], page = 5) {
    this.readings = readings;
    this.page = page;
    this.series = new MemoryCatalogue(
      [
        { number: 1, name: 'a', kind: 'number', unit: 'bar' },
        { number: 2, name: 'b', kind: 'number' },
      ],
      2,
    );
  }

  async *query(query: ReadingQuery): AsyncIterableIterator<readonly Reading[]> {
    this.asked.push(query);
    const { series, from = -Infinity, to = Infinity } = query;
    for (const name of series) {
      const of = this.readings.filter((one) => one.series === name && one.time >= from && one.time < to);
      for (let i = 0; i < of.length; i += this.page) yield of.slice(i, i + this.page);
    }
  }
}

async function rowsOf(store: Store, resolution: number, from = -Infinity, to = Infinity): Promise<SummaryRow[]> {
  const outcome = { count: 0, series: 0, complete: true };
  const rows: SummaryRow[] = [];
  for await (const page of summaryPages(store, { series: ['**'], from, to, order: 'series', resolution }, outcome))
    rows.push(...page);
  assert.equal(outcome.series, 2);
  return rows;
}

/** The same by the definition: every window's readings added one by one. */
function expected(readings: readonly Reading[], resolution: number, from = -Infinity, to = Infinity): SummaryRow[] {
  const length = resolution * 1000;
  const windows = new Map<string, { series: string; start: number; summary: Summary }>();
  for (const reading of readings) {
    const start = Math.floor(reading.time / length) * length;
    if (
      reading.stale === true ||
      start < Math.floor(from / length) * length ||
      start >= Math.ceil(to / length) * length
    )
      continue;
    const key = `${reading.series} ${start}`;
    const { summary } = windows.get(key) ?? { summary: emptySummary() };
    windows.set(key, { series: reading.series, start, summary: addReading(summary, reading) });
  }
  return [...windows.values()]
    .toSorted((x, y) => (x.series < y.series ? -1 : x.series > y.series ? 1 : x.start - y.start))
    .map(({ series, start, summary }) => ({
      series,
      unit: summary.unit ?? null,
      from: start,
      to: start + length,
      count: summary.count,
      numeric: summary.numeric,
      sum: decimalToString(summary.sum),
      mean: summary.numeric === 0 ? null : Number(decimalToString(summary.sum)) / summary.numeric,
      min: summary.min ?? null,
      max: summary.max ?? null,
      first: summary.first?.value ?? null,
      last: summary.last?.value ?? null,
      p50: quantile(summary, 0.5) ?? null,
      p95: quantile(summary, 0.95) ?? null,
      p99: quantile(summary, 0.99) ?? null,
      anomalies: summary.anomalies,
      uncertain: summary.uncertain,
      bad: summary.bad,
    }));
}

const reading: fc.Arbitrary<Reading> = fc.record(
  {
    series: fc.constantFrom('a', 'b'),
    time: fc.integer({ min: -5_000, max: 60_000 }),
    value: fc.oneof(
      fc.integer({ min: -500, max: 500 }).map((n) => n / 100),
      fc.boolean(),
      fc.constant('idle'),
    ),
    quality: fc.constantFrom('good', 'uncertain', 'bad'),
    clock: fc.constant('device'),
    anomaly: fc.constant(0.7),
    unit: fc.constantFrom('bar', 'bar', 'bar', 'psi'),
    stale: fc.constant(true),
  },
  { requiredKeys: ['series', 'time', 'value', 'quality', 'clock'], noNullPrototype: true },
);
const positioned = fc
  .array(reading, { maxLength: 60 })
  .map((readings) => readings.map((one, i) => ({ ...one, position: i + 1 })));

/** 5,000 seconds with gaps, shuffled, late ones at the end, and one reading far from all others. */
function scattered(): Reading[] {
  const readings: Reading[] = [];
  for (let i = 0; i < 5_000; i++) {
    const second = (i * 2_711) % 9_001;
    readings.push({
      series: i % 5 === 0 ? 'b' : 'a',
      time: second * 1000 + (i % 7),
      value: (i % 100) / 10,
      quality: 'good',
      clock: 'device',
      position: i + 1,
    });
  }
  const far = { series: 'a', time: -86_400_000_000, value: 1, quality: 'good', clock: 'device' } as const;
  return [...readings, { ...far, position: 5_001 }];
}

describe('summaries of what lies in the vault', () => {
  it('are those of the readings of each whole window, to the last digit, in whatever order they came', async () => {
    const bound = fc.integer({ min: -6_000, max: 61_000 });
    await fc.assert(
      fc.asyncProperty(positioned, fc.constantFrom(1, 7, 60), bound, bound, async (readings, resolution, x, y) => {
        const [from, to] = [Math.min(x, y), Math.max(x, y)];
        assert.deepEqual(await rowsOf(new Store(readings), resolution), expected(readings, resolution));
        assert.deepEqual(
          await rowsOf(new Store(readings), resolution, from, to),
          expected(readings, resolution, from, to),
        );
      }),
    );
  });

  it('are the same over a span of more windows than are open at a time', async () => {
    const readings = scattered();
    const wanted = expected(readings, 1);
    assert.ok(wanted.length > 4_000);
    assert.deepEqual(await rowsOf(new Store(readings, 500), 1), wanted);
    assert.deepEqual(
      await rowsOf(new Store(readings, 500), 1, 100_500, 8_000_500),
      expected(readings, 1, 100_500, 8_000_500),
    );
    const year = 366 * 86_400_000;
    assert.deepEqual(await rowsOf(new Store(readings, 500), 1, -3 * year, year), wanted);
  });

  it('ask no more often than there are stretches with readings', async () => {
    const store = new Store(scattered(), 500);
    await rowsOf(store, 1);
    assert.ok(store.asked.length < 30, `${store.asked.length} questions`);
    const short = new Store(scattered(), 500);
    await rowsOf(short, 60, 0, 9_000_000);
    assert.deepEqual(short.asked, [{ series: ['a', 'b'], from: 0, to: 9_000_000 }]);
  });

  it('take of equal times the ones that came first and last, also where readings have no position', async () => {
    const one = { series: 'a', time: 5, quality: 'good', clock: 'device' } as const;
    const [row] = await rowsOf(new Store([7, 9, 1, 8].map((value) => ({ ...one, value }))), 60);
    assert.deepEqual([row.first, row.last], [7, 8]);
  });

  it('count as bad a number that no summary can hold', async () => {
    const one = { series: 'a', time: 0, value: 1e300, quality: 'good', clock: 'device', position: 1 } as const;
    const [row] = await rowsOf(new Store([one, { ...one, value: 2, position: 2 }]), 60);
    assert.deepEqual([row.count, row.bad, row.sum, row.p99], [1, 1, '2', 2]);
  });

  it('let other work go on', async () => {
    const readings = Array.from({ length: 20_000 }, (_, i): Reading => {
      return { series: 'a', time: i, value: i, quality: 'good', clock: 'device', position: i + 1 };
    });
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await rowsOf(new Store(readings, 20_000), 60, 0, 60_000);
    running = false;
    assert.ok(turns >= 15, `${turns} turns of the event loop`);
  });
});
