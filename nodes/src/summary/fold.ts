import type { Reading } from '../reading/reading.ts';
import { WindowAccumulator } from './accumulator.ts';
import { decimalToNumber, ZERO } from './decimal.ts';
import { emptySketch } from './sketch.ts';
import type { Summary } from './summary.ts';

/** The summary of no reading: the neutral element of the fold. */
export function emptySummary(): Summary {
  return {
    count: 0,
    numeric: 0,
    unit: undefined,
    mixed: false,
    sum: ZERO,
    squares: ZERO,
    min: undefined,
    max: undefined,
    first: undefined,
    last: undefined,
    sketch: emptySketch(),
    anomalies: 0,
    uncertain: 0,
    bad: 0,
    changes: 0,
    states: new Map(),
  };
}

/**
 * The summary of a summary's readings and one more, as a new object. For many readings keep a WindowAccumulator. Throws
 * TideError `not-a-decimal` as that does.
 */
export function addReading(summary: Summary, reading: Reading): Summary {
  const accumulator = WindowAccumulator.of(summary);
  accumulator.add(reading);
  return accumulator.summary();
}

/**
 * The summary of all readings of all these summaries, which must be of different readings (different parts). Free of
 * order and grouping, to the byte: sums are exact, everything else is a maximum, a minimum or a count.
 */
export function foldSummaries(summaries: Iterable<Summary>): Summary {
  const accumulator = new WindowAccumulator();
  for (const summary of summaries) accumulator.addSummary(summary);
  return accumulator.summary();
}

/** Mean of the numbers in a summary, for display; undefined when there are none. */
export function meanOf({ sum, numeric }: Summary): number | undefined {
  return numeric === 0 ? undefined : decimalToNumber(sum) / numeric;
}
