import type { SummaryView } from '../api/contract.ts';
import type { Interval } from './ranges.ts';

/** Size of the drawing, in its own units; the style sheet stretches it. */
export const SPARK = { width: 200, height: 44, margin: 3 };

/** An SVG path through the means (`d` of a path element), broken where windows are missing; empty without numbers. */
export function sparkPath(windows: readonly SummaryView[], interval: Interval): string {
  const means = windows.flatMap(({ mean }) => (mean === null ? [] : [mean]));
  const low = Math.min(...means);
  const high = Math.max(...means);
  const across = SPARK.width / (interval.to - interval.from);
  const tall = SPARK.height - 2 * SPARK.margin;
  const xOf = (time: number): string => ((time - interval.from) * across).toFixed(1);
  const yOf = (mean: number): string =>
    (high === low ? SPARK.height / 2 : SPARK.height - SPARK.margin - ((mean - low) / (high - low)) * tall).toFixed(1);
  let path = '';
  let end: number | null = null;
  for (const { windowStart, resolution, mean } of windows) {
    if (mean === null) continue;
    const half = resolution * 500;
    const joined = end !== null && windowStart <= end;
    path += joined
      ? `L${xOf(windowStart + half)} ${yOf(mean)}`
      : `M${xOf(windowStart)} ${yOf(mean)}L${xOf(windowStart + half)} ${yOf(mean)}`;
    end = windowStart + resolution * 1000;
  }
  return path;
}
