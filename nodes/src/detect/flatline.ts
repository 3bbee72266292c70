import type { Reading, Value } from '../reading/reading.ts';
import { CALM, type Detector, type Verdict } from './detector.ts';
import { exactText, spanText, withUnit } from './number-text.ts';

export interface FlatlineParameters {
  /** The alarm opens when the value has not changed for this long although readings came. */
  seconds: number;
  /** A change of at most this much is no change, in the unit of the value. */
  tolerance: number;
}

export interface FlatlineState {
  /** The value that stands still; undefined before the first reading. */
  held: Value | undefined;
  /** Time of the reading that brought it, epoch milliseconds. */
  since: number;
}

/** A sensor that sends, and always the same: stuck, frozen or unplugged behind its converter. */
export class FlatlineDetector implements Detector<FlatlineState> {
  readonly kind = 'flatline';
  readonly version = 1;
  readonly inUnit = true;
  private readonly parameters: FlatlineParameters;

  constructor(parameters: FlatlineParameters) {
    this.parameters = parameters;
  }

  create(): FlatlineState {
    return { held: undefined, since: 0 };
  }

  step(state: FlatlineState, reading: Reading): Verdict {
    const { value, time, unit } = reading;
    const { seconds, tolerance } = this.parameters;
    if (!same(state.held, value, tolerance) || time < state.since - seconds * 1000) {
      state.held = value;
      state.since = time;
      return CALM;
    }
    const still = (time - state.since) / 1000;
    const score = Math.max(0, Math.min(1, still / (2 * seconds)));
    if (still < seconds) return { score, alarm: false, severity: 'info', text: '' };
    const shown = typeof value === 'number' ? withUnit(exactText(value), unit) : String(value).slice(0, 60);
    return {
      score,
      alarm: true,
      severity: 'warning',
      text: `has stood at ${shown} for ${spanText(still)}; a change is expected within ${spanText(seconds)}`,
    };
  }
}

function same(held: Value | undefined, value: Value, tolerance: number): boolean {
  if (typeof held === 'number' && typeof value === 'number') return Math.abs(value - held) <= tolerance;
  return held === value;
}
