import type { SeriesView, StateTime, SummaryView } from '../api/contract.ts';
import type { Interval } from './ranges.ts';

type Column = (number | null)[];

/** Columns of a chart: `x` in epoch seconds at the middle of each window; null stands where nothing was measured. */
export interface ChartData {
  x: number[];
  mean: Column;
  min: Column;
  max: Column;
  p10: Column;
  p90: Column;
}

/** Where a window ends, epoch milliseconds. */
export const endOf = ({ windowStart, resolution }: SummaryView): number => windowStart + resolution * 1000;

/** Windows as columns. Where windows are missing a row of nulls breaks every line, so none is drawn across the gap. */
export function chartData(windows: readonly SummaryView[]): ChartData {
  const data: ChartData = { x: [], mean: [], min: [], max: [], p10: [], p90: [] };
  let end: number | null = null;
  for (const window of windows) {
    const start = window.windowStart / 1000;
    if (end !== null && start > end) push(data, (end + start) / 2, null);
    push(data, start + window.resolution / 2, window);
    end = start + window.resolution;
  }
  return data;
}

function push(data: ChartData, x: number, window: SummaryView | null): void {
  data.x.push(x);
  for (const column of ['mean', 'min', 'max'] as const) data[column].push(window?.[column] ?? null);
  const middle = window === null ? null : middleBand(window);
  data.p10.push(middle?.p10 ?? null);
  data.p90.push(middle?.p90 ?? null);
}

/** Relative error of the cloud's quantiles, in both directions. */
const QUANTILE_ERROR = 0.01;

/**
 * The band between the quantiles, within the extremes; null where the window's values lie closer together than the
 * quantiles' own error, so that a band would show the error and not the values.
 */
export function middleBand({ min, max, p10, p90 }: SummaryView): { p10: number; p90: number } | null {
  if (min === null || max === null || p10 === null || p90 === null) return null;
  if (max - min <= 2 * QUANTILE_ERROR * Math.max(Math.abs(min), Math.abs(max))) return null;
  return { p10: Math.min(max, Math.max(min, p10)), p90: Math.min(max, Math.max(min, p90)) };
}

/** Rows whose neighbours are both empty: a line cannot show them, so they get a dot. */
export function lonelyPoints(column: ArrayLike<number | null | undefined>): number[] {
  const lonely: number[] = [];
  for (let i = 0; i < column.length; i++) {
    if (column[i] != null && column[i - 1] == null && column[i + 1] == null) lonely.push(i);
  }
  return lonely;
}

/**
 * Older windows with newer answers laid over them, ascending, none that ends by `from`: a late reading changes a window,
 * and a coarse one gives way to the finer ones in it when these are whole.
 */
export function mergeWindows(
  older: readonly SummaryView[],
  newer: readonly SummaryView[],
  from: number,
): SummaryView[] {
  const begin = newer[0]?.windowStart ?? Infinity;
  const kept = older.filter((window) => endOf(window) <= begin);
  return [...kept, ...newer].filter((window) => endOf(window) > from);
}

/** The unit in which a series is drawn: that of its newest numbers. */
export function unitOf(windows: readonly SummaryView[], series: Pick<SeriesView, 'unit'>): string | null {
  return windows.findLast(({ unit }) => unit !== null)?.unit ?? series.unit;
}

/** The unit of a window's numbers is another one, or they have several: nothing of it can stand on the axis of the others. */
export const isForeign = ({ unit, mixed }: SummaryView, shown: string | null): boolean =>
  mixed || (unit !== null && unit !== shown);

/** The windows with nothing said of the numbers of those that are in other units. */
export function inUnit(windows: readonly SummaryView[], shown: string | null): SummaryView[] {
  const none = { numeric: 0, mean: null, min: null, max: null, p10: null, p50: null, p90: null };
  return windows.map((window) => (isForeign(window, shown) ? { ...window, ...none } : window));
}

/** What is to be said of windows that are not drawn; null when there are none. */
export function foreignNote(windows: readonly SummaryView[], shown: string | null): string | null {
  const foreign = windows.filter((window) => isForeign(window, shown));
  if (foreign.length === 0) return null;
  const units = [...new Set(foreign.flatMap(({ unit }) => unit ?? []))].toSorted();
  const mixed = foreign.some((window) => window.mixed);
  const others = [...units.map((unit) => `in ${unit}`), ...(mixed ? ['in more than one unit'] : [])];
  return `Not drawn here, but in the table: ${foreign.length === 1 ? '1 window' : `${foreign.length} windows`} ${others.join(' or ')}.`;
}

export interface Overall {
  count: number;
  mean: number | null;
  min: number | null;
  max: number | null;
  anomalies: number;
  uncertain: number;
  bad: number;
  changes: number;
  /** Longest first; null when a window had too many to keep. */
  states: StateTime[] | null;
}

/** What all windows together say, for reading by a person (the exact fold is the cloud's own `total`). */
export function overall(windows: readonly SummaryView[]): Overall {
  const all: Overall = {
    count: 0,
    mean: null,
    min: null,
    max: null,
    anomalies: 0,
    uncertain: 0,
    bad: 0,
    changes: 0,
    states: stateTimes(windows),
  };
  let numeric = 0;
  let weighted = 0;
  for (const window of windows) {
    all.count += window.count;
    all.anomalies += window.anomalies;
    all.uncertain += window.uncertain;
    all.bad += window.bad;
    all.changes += window.changes ?? 0;
    if (window.mean === null) continue;
    numeric += window.numeric;
    weighted += window.mean * window.numeric;
    if (window.min !== null) all.min = Math.min(all.min ?? window.min, window.min);
    if (window.max !== null) all.max = Math.max(all.max ?? window.max, window.max);
  }
  if (numeric > 0) all.mean = weighted / numeric;
  return all;
}

/**
 * Stretches of the interval, epoch milliseconds, for which there ought to be windows and are none: the series had begun
 * before, and newer windows have come.
 */
export function gapsOf(
  windows: readonly SummaryView[],
  resolution: number,
  interval: Interval,
  extent: { firstWindow: number | null; lastWindow: number | null },
): Interval[] {
  const { firstWindow, lastWindow } = extent;
  if (firstWindow === null || lastWindow === null) return [];
  const length = resolution * 1000;
  const gaps: Interval[] = [];
  let covered = Math.max(interval.from, firstWindow);
  for (const window of windows) {
    if (window.windowStart > covered) gaps.push({ from: covered, to: window.windowStart });
    covered = Math.max(covered, endOf(window));
  }
  const end = Math.min(interval.to, Math.floor(lastWindow / length) * length);
  if (end > covered) gaps.push({ from: covered, to: end });
  return gaps;
}

/** For how long each state was held over all windows, longest first; null when one of them had too many to keep. */
export function stateTimes(windows: readonly SummaryView[]): StateTime[] | null {
  const times = new Map<StateTime['state'], number>();
  for (const { changes, states } of windows) {
    if (states === null && changes !== null) return null;
    for (const { state, milliseconds } of states ?? []) times.set(state, (times.get(state) ?? 0) + milliseconds);
  }
  return [...times]
    .map(([state, milliseconds]) => ({ state, milliseconds }))
    .toSorted((a, b) => b.milliseconds - a.milliseconds);
}
