import type { Reading } from '../reading/reading.ts';
import { CALM, type Detector, type Verdict } from './detector.ts';
import { spanText } from './number-text.ts';

export interface SilenceParameters {
  /** The alarm opens after this long without a reading; absent: learnt from the series' own intervals. */
  seconds?: number;
}

export interface SilenceState {
  /** Time of the newest reading, epoch milliseconds; 0 before the first. */
  last: number;
  /** Usual interval (an estimate of the median), seconds; 0 before the second reading. */
  usual: number;
  /** Longest interval of late, seconds; shrinks by a part with each reading. */
  longest: number;
  /** Intervals seen, counted up to `ENOUGH`. */
  count: number;
}

/** A learnt limit is this many usual intervals: a few lost messages are no silence. */
const USUAL_INTERVALS = 10;
/** And this much over the longest pause of late, so that a sensor that pauses each night is left alone. */
const LONGEST_FACTOR = 2;
/** Never report a learnt silence under this, seconds: a reconnect takes about as long. */
const SHORTEST_SILENCE = 60;
/** Intervals that must have been seen before a learnt limit speaks. */
const ENOUGH = 20;
/** The longest pause is forgotten over about this many readings. */
const FORGET_READINGS = 10_000;

/** A series that stopped. It speaks only at a tick: no reading ever brings the news. */
export class SilenceDetector implements Detector<SilenceState> {
  readonly kind = 'silence';
  readonly version = 1;
  private readonly parameters: SilenceParameters;

  constructor(parameters: SilenceParameters) {
    this.parameters = parameters;
  }

  create(): SilenceState {
    return { last: 0, usual: 0, longest: 0, count: 0 };
  }

  step(state: SilenceState, reading: Reading): Verdict {
    const { time } = reading;
    if (state.last !== 0 && time > state.last) {
      // An outage raises what counts as a pause to the limit it broke, no further: one long outage must not make the next one invisible.
      const interval = (time - state.last) / 1000;
      learn(state, interval, Math.min(interval, this.limit(state) ?? interval));
    }
    state.last = time;
    return CALM;
  }

  tick(state: SilenceState, now: number): Verdict {
    const limit = this.limit(state);
    if (state.last === 0 || limit === undefined) return CALM;
    const silent = (now - state.last) / 1000;
    const score = Math.max(0, Math.min(1, silent / (2 * limit)));
    if (silent < limit) return { score, alarm: false, severity: 'info', text: '' };
    const usual = state.usual > 0 ? `; one usually comes every ${spanText(state.usual)}` : '';
    return {
      score,
      alarm: true,
      severity: 'warning',
      text: `no reading for ${spanText(silent)}${usual}`,
    };
  }

  private limit(state: SilenceState): number | undefined {
    if (this.parameters.seconds !== undefined) return this.parameters.seconds;
    if (state.count < ENOUGH) return undefined;
    return Math.max(SHORTEST_SILENCE, USUAL_INTERVALS * state.usual, LONGEST_FACTOR * state.longest);
  }
}

/** Median by stochastic approximation (Robbins and Monro 1951): a step up or down, finer as more has been seen. */
function learn(state: SilenceState, interval: number, pause: number): void {
  if (state.usual === 0) state.usual = interval;
  else {
    const step = Math.max(0.02, 0.5 / (state.count + 1));
    state.usual *= interval > state.usual ? 1 + step : 1 / (1 + step);
  }
  state.longest = Math.max(pause, state.longest * (1 - 1 / FORGET_READINGS));
  if (state.count < ENOUGH) state.count++;
}
