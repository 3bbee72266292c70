import { decimalToString } from './decimal.ts';
import { meanOf } from './fold.ts';
import { quantile } from './sketch.ts';
import type { Resolution, Summary } from './summary.ts';

/** A summary as it leaves tide-summarize: plain data for dashboards and function nodes. What does not exist is null. */
export interface SummaryView {
  series: string;
  unit: string | null;
  /** Epoch milliseconds. */
  windowStart: number;
  /** Seconds. */
  resolution: Resolution;
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
  p10: number | null;
  p50: number | null;
  p90: number | null;
  anomalies: number;
  uncertain: number;
  bad: number;
}

export function viewOf(
  series: string,
  unit: string | undefined,
  resolution: Resolution,
  windowStart: number,
  summary: Summary,
): SummaryView {
  const { count, numeric, sum, min, max, first, last, anomalies, uncertain, bad } = summary;
  return {
    series,
    unit: unit ?? null,
    windowStart,
    resolution,
    count,
    numeric,
    sum: decimalToString(sum),
    mean: meanOf(summary) ?? null,
    min: min ?? null,
    max: max ?? null,
    first: first?.value ?? null,
    last: last?.value ?? null,
    p10: quantile(summary, 0.1) ?? null,
    p50: quantile(summary, 0.5) ?? null,
    p90: quantile(summary, 0.9) ?? null,
    anomalies,
    uncertain,
    bad,
  };
}
