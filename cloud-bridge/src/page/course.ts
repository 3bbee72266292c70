import type { SeriesView, SummaryView } from '../api/contract.ts';
import { fetchSeries, fetchWindows } from './api.ts';
import { mergeWindows } from './chart-data.ts';
import { intervalOf, resolutionFor } from './ranges.ts';
import type { Range } from './route.ts';

/** What a chart shows of a series. */
export interface Course {
  /** Null when the gateway has no such series. */
  series: SeriesView | null;
  /** Seconds. */
  resolution: number;
  /** Ascending. */
  windows: SummaryView[];
}

/** After this long everything is asked for again: a catch-up fills in old windows, too. */
const ALL_AGAIN_MS = 10_000;

/** Follows a series: everything of the range at first and now and then, only the newest windows in between. */
export class CourseReader {
  private readonly gateway: string;
  private readonly name: string;
  private known: { course: Course; range: Range; allAt: number } | null = null;

  constructor(gateway: string, name: string) {
    this.gateway = gateway;
    this.name = name;
  }

  async read(range: Range, signal: AbortSignal): Promise<Course> {
    const answer = await fetchSeries(this.gateway, signal);
    const series = answer.series.find((one) => one.series === this.name) ?? null;
    if (series === null) return { series, resolution: 60, windows: [] };
    const now = Date.now();
    const interval = intervalOf(range, series, now);
    const resolution = resolutionFor(interval, series.resolutions);
    const old = this.usable(range, resolution, now);
    // From a coarse window on whose finer ones have come since, or else from what may still have changed.
    const newest = old?.windows.findLast((window) => window.whole && window.resolution === resolution)?.windowStart;
    const from = newest === undefined ? interval.from : Math.max(interval.from, newest - 2 * resolution * 1000);
    const of = { gateway: this.gateway, series: this.name, resolution };
    const fresh = await fetchWindows(of, { from, to: interval.to }, signal);
    const earliest = interval.from - resolution * 1000;
    const course = { series, resolution, windows: mergeWindows(old?.windows ?? [], fresh, earliest) };
    this.known = { course, range, allAt: old === null ? now : this.known!.allAt };
    return course;
  }

  private usable(range: Range, resolution: number, now: number): Course | null {
    if (this.known === null || this.known.range !== range || this.known.course.resolution !== resolution) return null;
    return now - this.known.allAt < ALL_AGAIN_MS ? this.known.course : null;
  }
}
