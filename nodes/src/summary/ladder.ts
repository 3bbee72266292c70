import { matchSeries } from '../reading/series-pattern.ts';
import type { SummaryRule } from './rules.ts';
import type { Resolution } from './summary.ts';

/** The windows of one length that a series gets. */
export interface Rung {
  readonly resolution: Resolution;
  /** Milliseconds. */
  readonly length: number;
  /** Index of the finer rung whose windows are folded into this one's when they close; -1: it is made from readings. */
  readonly from: number;
  /** Indexes of the coarser rungs that take in the windows of this one. */
  readonly into: readonly number[];
}

/** How a series is summarised: its rungs, finest first. */
export interface Ladder {
  /** Equal for equal ladders. */
  readonly key: string;
  readonly rungs: readonly Rung[];
  /** Indexes of the rungs that are made from readings: the finest, and those that no finer one divides. */
  readonly roots: readonly number[];
  /** Width of the buckets of its quantile sketches; 0: logarithmic ones (sketch.ts). */
  readonly width: number;
}

/**
 * Each rung is made from the longest finer one whose windows lie whole within its own, so that a reading is added once
 * and not once for each rung. The result is the same to the byte, since summaries fold exactly.
 */
export function ladderOf(resolutions: readonly Resolution[], width = 0): Ladder {
  const ascending = [...new Set(resolutions)].toSorted((a, b) => a - b);
  const sources = ascending.map((resolution, i) =>
    ascending.findLastIndex((finer, at) => at < i && resolution % finer === 0),
  );
  return {
    key: `${width}: ${ascending.join(' ')}`,
    width,
    rungs: ascending.map((resolution, i) => ({
      resolution,
      length: resolution * 1000,
      from: sources[i],
      into: sources.flatMap((source, at) => (source === i ? [at] : [])),
    })),
    roots: sources.flatMap((source, i) => (source === -1 ? [i] : [])),
  };
}

/** Which ladder a series gets: that of the first rule whose pattern covers it, else the usual one. */
export class LadderPlan {
  private readonly known = new Map<string, Ladder>();
  private readonly usual: Ladder;
  private readonly rules: readonly { series: string; ladder: Ladder }[];

  constructor(resolutions: readonly Resolution[], rules: readonly SummaryRule[] = []) {
    this.usual = this.ladder(resolutions);
    this.rules = rules.map((rule) => ({
      series: rule.series,
      ladder: this.ladder(rule.resolutions ?? resolutions, rule.width),
    }));
  }

  for(series: string): Ladder {
    return this.rules.find((rule) => matchSeries(rule.series, series))?.ladder ?? this.usual;
  }

  /** The one object for equal ladders. */
  ladder(resolutions: readonly Resolution[], width = 0): Ladder {
    const made = ladderOf(resolutions, width);
    const ladder = this.known.get(made.key) ?? made;
    this.known.set(ladder.key, ladder);
    return ladder;
  }
}
