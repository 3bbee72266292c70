import { setImmediate as turn } from 'node:timers/promises';
import { TideError } from '../node/errors.ts';
import type { Reading } from '../reading/reading.ts';
import { coveredSeries, type Outcome } from '../vault/query/rows.ts';
import type { QueryRequest } from '../vault/query/request.ts';
import type { Vault } from '../vault/vault.ts';
import { WindowAccumulator } from './accumulator.ts';
import { decimalToString } from './decimal.ts';
import { meanOf } from './fold.ts';
import { quantile } from './sketch.ts';

/** A window of a series as a query answers it: plain data, what does not exist is null. */
export interface SummaryRow {
  series: string;
  /** Null where no number said one, and where they said different ones: then `numeric` is 0. */
  unit: string | null;
  /** Epoch milliseconds: from inclusive, to exclusive; multiples of the resolution. */
  from: number;
  to: number;
  /** Readings of quality good or uncertain, and how many of them have a number. */
  count: number;
  numeric: number;
  /** Exact decimal in plain notation. */
  sum: string;
  mean: number | null;
  min: number | null;
  max: number | null;
  first: number | string | null;
  last: number | string | null;
  /** Quantiles with 1 % relative error. */
  p50: number | null;
  p95: number | null;
  p99: number | null;
  anomalies: number;
  uncertain: number;
  bad: number;
}

/** Windows that are gathered at a time. */
const MAX_WINDOWS = 1_024;
/** Stretches that are read one after the other without looking first which of them are empty. */
const MAX_STRETCHES = 64;
/** Readings that are added before the event loop gets its turn: about a millisecond. */
const READINGS_AT_ONCE = 1_000;

/**
 * The readings asked for as summaries of whole windows (the span is widened to their bounds): by series, then by time.
 * Readings lie in the vault in the order in which they came, so all windows of a stretch are open until the stretch is
 * read; a long span is read in stretches of `MAX_WINDOWS`, and memory does not grow with it.
 */
export async function* summaryPages(
  vault: Pick<Vault, 'series' | 'query'>,
  request: QueryRequest & { resolution: number },
  outcome: Outcome,
): AsyncGenerator<readonly SummaryRow[]> {
  const series = await coveredSeries(vault.series, request.series);
  outcome.series = series.length;
  const length = request.resolution * 1000;
  const from = Math.floor(request.from / length) * length;
  const to = Math.ceil(request.to / length) * length;
  const rowsOf = ({ name, windows }: Gathered): SummaryRow[] =>
    windows.map(([start, window]) => rowOf(name, start, length, window));
  if (to - from <= MAX_WINDOWS * length) {
    for await (const gathered of stretch(vault, series, from, to, length)) yield rowsOf(gathered);
    return;
  }
  for (const name of series) {
    for await (const gathered of stretches(vault, name, from, to, length)) yield rowsOf(gathered);
  }
}

interface Gathered {
  name: string;
  /** By start, ascending. */
  windows: [start: number, window: WindowAccumulator][];
}

/** A series over a long or unbounded span, stretch by stretch. */
async function* stretches(
  vault: Pick<Vault, 'query'>,
  name: string,
  from: number,
  to: number,
  length: number,
): AsyncGenerator<Gathered> {
  const width = MAX_WINDOWS * length;
  if (to - from <= MAX_STRETCHES * width) {
    for (let at = from; at < to; at += width) yield* stretch(vault, [name], at, Math.min(to, at + width), length);
    return;
  }
  // Where the readings lie is found by reading them once; the first windows come out of it at once.
  const survey = new Survey(length);
  for await (const page of vault.query(queryOf([name], from, to))) await addSlowly(page, (one) => survey.add(one));
  if (survey.windows.size > 0) yield { name, windows: ascending(survey.windows) };
  for (const start of [...survey.stretches].toSorted((a, b) => a - b)) {
    if (start + width > survey.cut)
      yield* stretch(vault, [name], Math.max(start, survey.cut), Math.min(to, start + width), length);
  }
}

/** Series over at most `MAX_WINDOWS` windows. */
async function* stretch(
  vault: Pick<Vault, 'query'>,
  series: readonly string[],
  from: number,
  to: number,
  length: number,
): AsyncGenerator<Gathered> {
  if (series.length === 0 || from >= to) return;
  let name: string | undefined;
  let windows = new Map<number, WindowAccumulator>();
  for await (const page of vault.query(queryOf(series, from, to))) {
    for (let i = 0; i < page.length;) {
      const { series: of } = page[i];
      if (name !== undefined && of !== name) {
        if (windows.size > 0) yield { name, windows: ascending(windows) };
        windows = new Map();
      }
      name = of;
      let next = i + 1;
      while (next < page.length && page[next].series === of) next++;
      const open = windows;
      await addSlowly(page.slice(i, next), (reading) => addTo(open, startOf(reading, length), reading));
      i = next;
    }
  }
  if (name !== undefined && windows.size > 0) yield { name, windows: ascending(windows) };
}

/** The first `MAX_WINDOWS` windows of all that readings lie in, and the stretches in which the others are. */
class Survey {
  readonly windows = new Map<number, WindowAccumulator>();
  /** Starts of stretches with readings. */
  readonly stretches = new Set<number>();
  /** Windows from here on were not kept; Infinity when all were. */
  cut = Infinity;
  private newest = Number.NaN;
  private readonly length: number;

  constructor(length: number) {
    this.length = length;
  }

  add(reading: Reading): void {
    const { length, windows } = this;
    const stretchStart = startOf(reading, MAX_WINDOWS * length);
    if (stretchStart !== this.newest) this.stretches.add((this.newest = stretchStart));
    const start = startOf(reading, length);
    if (start >= this.cut) return;
    addTo(windows, start, reading);
    if (windows.size <= 2 * MAX_WINDOWS) return;
    const starts = [...windows.keys()].toSorted((a, b) => a - b);
    this.cut = starts[MAX_WINDOWS];
    for (const dropped of starts.slice(MAX_WINDOWS)) windows.delete(dropped);
  }
}

const startOf = ({ time }: Reading, length: number): number => Math.floor(time / length) * length;

function addTo(windows: Map<number, WindowAccumulator>, start: number, reading: Reading): void {
  // As tide-summarize does: what is old news is no reading of this time.
  if (reading.stale === true) return;
  let window = windows.get(start);
  if (window === undefined) windows.set(start, (window = new WindowAccumulator()));
  // They come in the order of their positions: of equal times, the first and the last are those that came so.
  reading.position ??= window.count + 1;
  try {
    window.add(reading);
  } catch (error) {
    if (!(error instanceof TideError) || error.code !== 'not-a-decimal') throw error;
    window.bad++;
  }
}

async function addSlowly(page: readonly Reading[], add: (reading: Reading) => void): Promise<void> {
  for (let i = 0; i < page.length; i++) {
    add(page[i]);
    if (i % READINGS_AT_ONCE === READINGS_AT_ONCE - 1) await turn();
  }
}

const ascending = (windows: Map<number, WindowAccumulator>): [number, WindowAccumulator][] =>
  [...windows].toSorted((a, b) => a[0] - b[0]);

const queryOf = (series: readonly string[], from: number, to: number): Parameters<Vault['query']>[0] => ({
  series,
  ...(Number.isFinite(from) && { from }),
  ...(Number.isFinite(to) && { to }),
});

function rowOf(series: string, start: number, length: number, window: WindowAccumulator): SummaryRow {
  const summary = window.summary();
  const { count, numeric, unit, sum, min, max, first, last, anomalies, uncertain, bad } = summary;
  return {
    series,
    unit: unit ?? null,
    from: start,
    to: start + length,
    count,
    numeric,
    sum: decimalToString(sum),
    mean: meanOf(summary) ?? null,
    min: min ?? null,
    max: max ?? null,
    first: first?.value ?? null,
    last: last?.value ?? null,
    p50: quantile(summary, 0.5) ?? null,
    p95: quantile(summary, 0.95) ?? null,
    p99: quantile(summary, 0.99) ?? null,
    anomalies,
    uncertain,
    bad,
  };
}
