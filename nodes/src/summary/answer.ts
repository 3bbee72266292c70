import type { Reading } from '../reading/reading.ts';
import { missingIn } from '../vault/query/missing-in.ts';
import type { QueryRequest } from '../vault/query/request.ts';
import { type Outcome, readingPages, shaped } from '../vault/query/rows.ts';
import { namesBefore, readSeriesRecords } from '../vault/series-records.ts';
import type { Vault } from '../vault/vault.ts';
import { summaryPages, type SummaryRow } from './summary-pages.ts';

export type Row = Reading | SummaryRow;

/** Readings or summaries out of a vault, as a request asks for them; the outcome says at the end what is missing among them. */
export async function* answerPages(
  vault: Vault,
  asked: QueryRequest,
  outcome: Outcome,
): AsyncGenerator<readonly Row[]> {
  const request = { ...asked, series: await withEarlier(vault, asked.series) };
  const { resolution } = request;
  if (resolution === undefined)
    yield* shaped(readingPages(vault, request, outcome), request, outcome, ({ time }) => time);
  else yield* shaped(summaryPages(vault, { ...request, resolution }, outcome), request, outcome, ({ from }) => from);
  const missing = await missingIn(vault, request);
  if (missing.length > 0) outcome.missing = missing;
}

/** A series that is asked for by its name comes with what it was called before; these rows have their own names. */
async function withEarlier(vault: Vault, patterns: readonly string[]): Promise<string[]> {
  const records = await readSeriesRecords(vault);
  return [...new Set(patterns.flatMap((pattern) => [pattern, ...namesBefore(records, pattern)]))];
}
