import { setImmediate as turn } from 'node:timers/promises';
import type { Missing } from './missing.ts';
import { NearestRows } from './nearest-rows.ts';
import type { QueryOrder, QueryRequest } from './request.ts';
import { seriesMatcher } from './series-glob.ts';
import type { Reading } from '../../reading/reading.ts';
import type { SeriesCatalogue, Vault } from '../vault.ts';

/** What an answer was, once its last row is out. */
export interface Outcome {
  /** Rows handed out. */
  count: number;
  /** Series that the patterns cover, with or without rows in the span. */
  series: number;
  /** False when the limit cut the answer off. */
  complete: boolean;
  /** Declared losses among what was asked for, when there are any. */
  missing?: Missing[];
}

/** Rows that are put in order before the event loop gets its turn. */
const ROWS_AT_ONCE = 2_000;
/** Names that are compared before the event loop gets its turn. */
const NAMES_AT_ONCE = 2_000;

/** Names of the series that the patterns cover, sorted. */
export async function coveredSeries(catalogue: SeriesCatalogue, patterns: readonly string[]): Promise<string[]> {
  const covers = seriesMatcher(patterns);
  const names: string[] = [];
  let compared = 0;
  for (const { name } of catalogue.entries()) {
    if (covers(name)) names.push(name);
    if (++compared % NAMES_AT_ONCE === 0) await turn();
  }
  return names.toSorted();
}

/** The readings asked for, page by page. A caller that has enough ends the iteration, and nothing more is read. */
export async function* readingPages(
  vault: Pick<Vault, 'series' | 'query'>,
  request: QueryRequest,
  outcome: Outcome,
): AsyncGenerator<readonly Reading[]> {
  const series = await coveredSeries(vault.series, request.series);
  outcome.series = series.length;
  if (series.length === 0) return;
  yield* vault.query({
    series,
    ...(Number.isFinite(request.from) && { from: request.from }),
    ...(Number.isFinite(request.to) && { to: request.to }),
  });
}

/** Pages in the order and up to the limit of a request; counts into the outcome. */
export async function* shaped<Row extends object>(
  pages: AsyncIterable<readonly Row[]>,
  { order, limit = Infinity }: Pick<QueryRequest, 'order' | 'limit'>,
  outcome: Outcome,
  timeOf: (row: Row) => number,
): AsyncGenerator<readonly Row[]> {
  outcome.count = 0;
  outcome.complete = true;
  if (order !== 'series') {
    yield* ends(pages, order, limit, outcome, timeOf);
    return;
  }
  for await (const page of pages) {
    if (outcome.count + page.length <= limit) {
      outcome.count += page.length;
      yield page;
      continue;
    }
    // Only a row too many shows that there is more.
    const rest = page.slice(0, limit - outcome.count);
    outcome.count = limit;
    outcome.complete = false;
    if (rest.length > 0) yield rest;
    return;
  }
}

/** The first rows of all by time, from one end; `limit` of them are held. */
async function* ends<Row extends object>(
  pages: AsyncIterable<readonly Row[]>,
  order: Exclude<QueryOrder, 'series'>,
  limit: number,
  outcome: Outcome,
  timeOf: (row: Row) => number,
): AsyncGenerator<readonly Row[]> {
  const nearest = new NearestRows<Row>(limit, order === 'oldest' ? timeOf : (row) => -timeOf(row));
  for await (const page of pages) {
    for (const row of page) nearest.offer(row);
    if (page.length >= ROWS_AT_ONCE) await turn();
  }
  outcome.count = nearest.kept;
  outcome.complete = nearest.offered === nearest.kept;
  // Sorted from its far end, a piece at a time, so that the event loop is not held.
  const pieces: Row[][] = [];
  while (nearest.kept > 0) {
    pieces.push(nearest.takeLast(ROWS_AT_ONCE).toReversed());
    await turn();
  }
  yield* pieces.toReversed();
}
