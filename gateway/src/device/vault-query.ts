import { type SummaryRow, summaryPages } from '@tidegate/nodes/summary';
import type { Reading } from '@tidegate/nodes/reading';
import { type QueryOutcome, type QueryRequest, readingPages, shaped, type Vault } from '@tidegate/nodes/vault';

import type { QueryAnswer } from '../control/requests.ts';

/** Readings or summaries out of a vault, as a request asks for them. */
export function queryVault(vault: Vault, request: QueryRequest): QueryAnswer {
  const outcome: QueryOutcome = { count: 0, series: 0, complete: true };
  const { resolution } = request;
  const pages =
    resolution === undefined
      ? shaped<Reading>(readingPages(vault, request, outcome), request, outcome, ({ time }) => time)
      : shaped<SummaryRow>(
          summaryPages(vault, { ...request, resolution }, outcome),
          request,
          outcome,
          ({ from }) => from,
        );
  return { pages, outcome };
}
