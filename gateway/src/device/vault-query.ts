import { setImmediate as turn } from 'node:timers/promises';

import { type SummaryRow, summaryPages } from '@tidegate/nodes/summary';
import type { Reading } from '@tidegate/nodes/reading';
import {
  coveredSeries,
  GAPS,
  gapSchema,
  type QueryOutcome,
  type QueryRequest,
  readingPages,
  shaped,
  type Vault,
} from '@tidegate/nodes/vault';

import type { QueryAnswer } from '../control/requests.ts';
import { type Missing, MissingReadings } from '../query/missing.ts';

/** Gaps that are looked at before the event loop gets its turn. */
const GAPS_AT_ONCE = 200;

/** Readings or summaries out of a vault, as a request asks for them, and at their end what is missing among them. */
export function queryVault(vault: Vault, request: QueryRequest): QueryAnswer {
  const outcome: QueryAnswer['outcome'] = { count: 0, series: 0, complete: true };
  async function* pages(): AsyncGenerator<readonly object[]> {
    yield* pagesOf(vault, request, outcome);
    const missing = await missingIn(vault, request);
    if (missing.length > 0) outcome.missing = missing;
  }
  return { pages: pages(), outcome };
}

function pagesOf(vault: Vault, request: QueryRequest, outcome: QueryOutcome): AsyncGenerator<readonly object[]> {
  const { resolution } = request;
  return resolution === undefined
    ? shaped<Reading>(readingPages(vault, request, outcome), request, outcome, ({ time }) => time)
    : shaped<SummaryRow>(
        summaryPages(vault, { ...request, resolution }, outcome),
        request,
        outcome,
        ({ from }) => from,
      );
}

/** What the vault has declared as lost of the time and the series that were asked for. */
async function missingIn(vault: Vault, { series, from, to, resolution }: QueryRequest): Promise<Missing[]> {
  const gaps = await vault.documents.list(GAPS);
  if (gaps.length === 0) return [];
  const names = await coveredSeries(vault.series, series);
  // Summaries are of whole windows.
  const window = resolution === undefined ? 1 : resolution * 1000;
  const missing = new MissingReadings({
    from: Math.floor(from / window) * window,
    to: Math.ceil(to / window) * window,
    series: new Set(names.map((name) => vault.series.number(name))),
    all: names.length === [...vault.series.entries()].length,
  });
  for (const [i, { value }] of gaps.entries()) {
    const { success, data } = gapSchema.safeParse(value);
    if (success) missing.add(data);
    if (i % GAPS_AT_ONCE === GAPS_AT_ONCE - 1) await turn();
  }
  return missing.list();
}
