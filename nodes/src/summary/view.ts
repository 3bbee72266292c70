import { decimalToString } from './decimal.ts';
import { meanOf } from './fold.ts';
import { quantile } from './sketch.ts';
import { statesOf, type State } from './states.ts';
import type { Resolution, Summary } from './summary.ts';

/** A summary as it leaves tide-summarize: plain data for dashboards and function nodes. What does not exist is null. */
export interface SummaryView {
  series: string;
  /** Null where no reading with a number has said one, and where they said different ones. */
  unit: string | null;
  /** The unit changed in this window: `numeric` is 0, and there are no figures of the numbers. */
  mixed: boolean;
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
  /** Quantiles, within 1 % or half a bucket of fixed width; null where nothing is known of them. */
  p10: number | null;
  p50: number | null;
  p90: number | null;
  anomalies: number;
  uncertain: number;
  bad: number;
  /** Of switches and words, null of numbers: how often the state changed. */
  changes: number | null;
  /** For how long each state was held up to a reading in this window, milliseconds; null of numbers, and of more than 16 states. */
  states: { state: State; milliseconds: number }[] | null;
}

export function viewOf(series: string, resolution: Resolution, windowStart: number, summary: Summary): SummaryView {
  const { count, numeric, unit, mixed, sum, min, max, first, last, anomalies, uncertain, bad } = summary;
  return {
    series,
    unit: unit ?? null,
    mixed,
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
    ...statesView(summary),
  };
}

/** Null of a summary of numbers. */
export function statesView({ changes, states }: Summary): Pick<SummaryView, 'changes' | 'states'> {
  const known = statesOf(states);
  if (changes === 0 && known?.length === 0) return { changes: null, states: null };
  return { changes, states: known ?? null };
}
