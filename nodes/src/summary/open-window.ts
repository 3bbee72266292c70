import { WindowAccumulator } from './accumulator.ts';
import { foldSummaries } from './fold.ts';
import { decodeSummary, encodeSummary, readCounts } from './summary-codec.ts';
import type { Summary } from './summary.ts';

export interface OpenWindow {
  /** Epoch milliseconds. */
  readonly start: number;
  /**
   * Of a rung that is made from readings what was gathered; of the others the encoded summary, since it changes seldom
   * and is small so, and because bytes that are replaced and never changed can be put back when a commit fails.
   */
  content: WindowAccumulator | Uint8Array;
  /** Monotonic milliseconds of the newest addition. */
  touched: number;
  /** Has to close at the next opportunity, due or not. */
  forced: boolean;
}

export function summaryOf(content: OpenWindow['content']): Summary {
  return content instanceof Uint8Array ? decodeSummary(content) : content.summary();
}

/** Readings of any quality. */
export function readingsIn(content: OpenWindow['content']): number {
  if (!(content instanceof Uint8Array)) return content.count + content.bad;
  const { count, bad } = readCounts(content);
  return count + bad;
}

/** What was gathered, and summaries of other readings besides. */
export function contentWith(
  before: OpenWindow['content'] | undefined,
  summaries: readonly Summary[],
): OpenWindow['content'] {
  if (before instanceof WindowAccumulator) {
    for (const summary of summaries) before.addSummary(summary);
    return before;
  }
  if (before === undefined && summaries.length === 1) return encodeSummary(summaries[0]);
  return encodeSummary(foldSummaries(before === undefined ? summaries : [decodeSummary(before), ...summaries]));
}
