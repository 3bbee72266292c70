import type { Decimal } from './decimal.ts';
import type { Sketch } from './sketch.ts';
import type { States } from './states.ts';

/**
 * What is kept of the readings of one series in one window. Immutable once encoded; two summaries of different readings
 * fold into the summary of both, in any order, to the same bytes.
 *
 * Booleans count as 0 and 1. Strings have counts, first and last (`numeric` is 0). Of both there are states and changes.
 */
export interface Summary {
  /** Readings, of any quality but `bad`. */
  count: number;
  /** Of these, the ones with a number in them, 0 where their units differ; sum, squares, min, max and sketch are over these. */
  numeric: number;
  /** Unit of the numbers, at most `MAX_UNIT` characters; undefined while no reading with a number has said one. */
  unit: string | undefined;
  /** The numbers were of different units: nothing is known of them but the first and the last. Stays so in every fold. */
  mixed: boolean;
  /** Exact. */
  sum: Decimal;
  /** Exact sum of squares. */
  squares: Decimal;
  /** Undefined when `numeric` is 0; never negative zero. */
  min: number | undefined;
  max: number | undefined;
  /** Earliest and latest counted reading by (time, position); undefined when `count` is 0 (only bad readings came). */
  first: TimedValue | undefined;
  last: TimedValue | undefined;
  sketch: Sketch;
  /** Readings that lay within an anomaly. */
  anomalies: number;
  /** Readings of quality `uncertain` (they are counted above) and `bad` (they are not). */
  uncertain: number;
  bad: number;
  /** Readings whose state is another than that of the reading before, which may lie in an earlier window. */
  changes: number;
  /** For how long each state was held up to a reading in this window. */
  states: States;
}

export interface TimedValue {
  /** Epoch milliseconds. */
  time: number;
  /** Journal position: breaks ties of equal times. */
  position: number;
  /** A string is cut to `MAX_TEXT` characters. */
  value: number | string;
}

/**
 * One element of the grow-only set that the edge writes and the cloud joins by union. Its key is (gateway, incarnation,
 * series, resolution, window start, part); `part` is the number of the block that carries it, so it needs no memory of
 * old windows: a late reading lands in a later block and so in the next part. The block's header carries gateway,
 * incarnation, resolution (in the stream) and part; a block holds at most one part of a window of a series.
 */
export interface Part {
  /** Number of the series in the gateway's catalogue. */
  series: number;
  /** Epoch milliseconds, a multiple of the resolution. */
  windowStart: number;
  summary: Summary;
}

/** Longest string and unit that a summary keeps, UTF-16 code units. */
export const MAX_TEXT = 256;
export const MAX_UNIT = 64;

/** Length of the windows of a stream, seconds. The default ladder: 60, 900, 3600, 86400 (UTC days). */
export type Resolution = number;
