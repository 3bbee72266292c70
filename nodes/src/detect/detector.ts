import type { Reading } from '../reading/reading.ts';
import type { Severity } from './alert.ts';

/** What a detector says of one reading. */
export interface Verdict {
  /** How unusual, 0..1; what opens an alert is `alarm`, not a threshold on this. */
  score: number;
  /** True while the detector holds that something is wrong: an alert is open exactly while this is true. */
  alarm: boolean;
  severity: Severity;
  expected?: { low?: number; high?: number };
  /** Set when `alarm` is true. */
  text: string;
}

/**
 * A detector as a pure step: the verdict and the new state follow from the old state and the reading alone, no clock,
 * no I/O, no future. The state belongs to the caller and is advanced in place (a copy for each reading would cost more
 * than the detection); it is plain data of bounded size (<= 10 KB a series), CBOR-encodable, and carries a version.
 */
export interface Detector<State> {
  readonly kind: string;
  readonly version: number;
  /** What it learns is in the unit of the value: it starts anew where the unit is another one. */
  readonly inUnit?: boolean;
  create(): State;
  step(state: State, reading: Reading): Verdict;
  /**
   * For detectors that notice the absence of readings: what is true of the series at `now` (epoch milliseconds, on the
   * clock of its readings: the time of the last one plus the time that has passed since it arrived).
   */
  tick?(state: State, now: number): Verdict;
}

/** The verdict on a reading that gives no cause for concern. */
export const CALM: Verdict = Object.freeze({ score: 0, alarm: false, severity: 'info', text: '' });
