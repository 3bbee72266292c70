import {
  WindowAccumulator,
  decimalToString,
  decodeSummary,
  foldSummaries,
  meanOf,
  quantile,
  statesView,
  type Summary,
} from '@tidegate/nodes/summary';

import { labelOf } from '../gateway-label.ts';
import type { Refusal } from '../merge/refusals.ts';
import type { AlertFacts, GatewayFacts, SeriesFacts, WindowParts } from '../store/store.ts';
import type { AlertView, GatewayView, SeriesView, SummaryView } from './contract.ts';

/** A gateway that was seen this long ago or less counts as online, ms. */
const ONLINE_MS = 120_000;

export function gatewayView(facts: GatewayFacts, refusal: Refusal | undefined, now: number): GatewayView {
  const { lastSeen, enrolledAt, incarnation, software, series, parts, blocksMissing, openAlerts, forks, gaps } = facts;
  return {
    gateway: labelOf(facts),
    online: lastSeen !== null && now - lastSeen <= ONLINE_MS,
    lastSeen,
    enrolledAt,
    incarnation: incarnation === null ? null : Buffer.from(incarnation).toString('hex'),
    software,
    series,
    parts,
    blocksMissing,
    openAlerts,
    forks,
    gaps,
    ...refusedView(refusal),
  };
}

export function refusedView(
  refusal: Refusal | undefined,
): Pick<GatewayView, 'refused' | 'refusedKinds' | 'refusedReason'> {
  return {
    refused: refusal?.count ?? 0,
    refusedKinds: refusal?.kinds ?? {},
    refusedReason: refusal?.reason ?? null,
  };
}

export function seriesView(facts: SeriesFacts): SeriesView {
  const { name, kind, unit, sensor, sensorSince, retired, earlier, resolutions, firstWindow, lastWindow, last } = facts;
  return {
    series: name,
    kind,
    unit,
    sensor,
    sensorSince,
    retired: retired !== null && (last?.time ?? 0) <= retired ? retired : null,
    earlier,
    resolutions,
    firstWindow,
    lastWindow,
    lastValue: last?.value ?? null,
    lastTime: last?.time ?? null,
  };
}

export function alertView({ tenant, gateway, alert, committedAt, cursor }: AlertFacts): AlertView {
  const { id, revision, series, state, severity, kind, time, closed, value, expected, unit, text } = alert;
  return {
    gateway: labelOf({ tenant, name: gateway }),
    id,
    revision,
    series,
    state,
    severity,
    kind,
    time,
    closed: closed ?? null,
    value,
    expected: expected ?? null,
    unit: unit ?? null,
    text,
    committedAt,
    cursor,
  };
}

/** Work after which the event loop gets its turn, ms. */
const SLICE_MS = 5;

/** Folds each window and all of them. `breathe` is awaited whenever `SLICE_MS` of work are done. */
export async function foldWindows(
  windows: readonly WindowParts[],
  monotonic: () => number,
  breathe: () => Promise<void>,
): Promise<{ windows: SummaryView[]; total: SummaryView | null }> {
  const all = new WindowAccumulator();
  const views: SummaryView[] = [];
  let parts = 0;
  let until = monotonic() + SLICE_MS;
  for (const window of windows) {
    const decoded = window.summaries.map(decodeSummary);
    const folded = decoded.length === 1 ? decoded[0] : foldSummaries(decoded);
    all.addSummary(folded);
    parts += decoded.length;
    views.push(summaryView(window, decoded.length, folded));
    if (monotonic() < until) continue;
    await breathe();
    until = monotonic() + SLICE_MS;
  }
  if (windows.length === 0) return { windows: views, total: null };
  const whole = windows.every((window) => window.whole);
  const total = summaryView({ ...windows[0], whole }, parts, all.summary());
  return { windows: views, total };
}

function summaryView(
  { windowStart, resolution, whole }: Omit<WindowParts, 'summaries'>,
  parts: number,
  summary: Summary,
): SummaryView {
  const { count, numeric, unit, mixed, sum, squares, min, max, first, last, anomalies, uncertain, bad } = summary;
  return {
    windowStart,
    resolution,
    whole,
    parts,
    count,
    numeric,
    unit: unit ?? null,
    mixed,
    sum: decimalToString(sum),
    squares: decimalToString(squares),
    mean: meanOf(summary) ?? null,
    min: min ?? null,
    max: max ?? null,
    first: first === undefined ? null : { time: first.time, value: first.value },
    last: last === undefined ? null : { time: last.time, value: last.value },
    p10: quantile(summary, 0.1) ?? null,
    p50: quantile(summary, 0.5) ?? null,
    p90: quantile(summary, 0.9) ?? null,
    anomalies,
    uncertain,
    bad,
    ...statesView(summary),
  };
}
