import { answerPages } from '@tidegate/nodes/summary';
import type { QueryRequest, Vault } from '@tidegate/nodes/vault';

import type { QueryAnswer } from '../control/requests.ts';

/** Readings or summaries out of a vault, as a request asks for them, and at their end what is missing among them. */
export function queryVault(vault: Vault, request: QueryRequest): QueryAnswer {
  const outcome: QueryAnswer['outcome'] = { count: 0, series: 0, complete: true };
  return { pages: answerPages(vault, request, outcome), outcome };
}
