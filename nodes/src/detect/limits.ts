import type { Reading } from '../reading/reading.ts';
import type { Severity } from './alert.ts';
import { CALM, type Detector, type Verdict } from './detector.ts';
import { exactText, spanText, withUnit } from './number-text.ts';

export interface LimitsParameters {
  /** At or below is a warning; at or below `criticalLow` is critical. Absent ends are open. */
  low?: number;
  high?: number;
  criticalLow?: number;
  criticalHigh?: number;
  /** The alarm ends only when the value is back inside by this much, in the unit of the value. */
  hysteresis: number;
  /** The alarm opens only when the value has been outside for this long. */
  delaySeconds: number;
}

export interface LimitsState {
  /** Time of the first reading outside without a break, epoch milliseconds; 0 when inside. */
  outsideSince: number;
  /** -1 below, 1 above, 0 while no alarm is open. */
  side: -1 | 0 | 1;
  critical: boolean;
}

/** Fixed limits with hysteresis and an on-delay, as alarm management has them (IEC 62682: deadband and on-delay). */
export class LimitsDetector implements Detector<LimitsState> {
  readonly kind = 'limits';
  readonly version = 1;
  private readonly parameters: LimitsParameters;

  constructor(parameters: LimitsParameters) {
    this.parameters = parameters;
  }

  create(): LimitsState {
    return { outsideSince: 0, side: 0, critical: false };
  }

  step(state: LimitsState, reading: Reading): Verdict {
    const { value, time, unit } = reading;
    if (typeof value !== 'number') return CALM;
    const slack = state.side === 0 ? 0 : this.parameters.hysteresis;
    const side = this.sideOf(value, state.side, slack);
    if (side === 0) {
      state.outsideSince = 0;
      state.side = 0;
      state.critical = false;
      return CALM;
    }
    if (state.outsideSince === 0) state.outsideSince = time;
    if (state.side === 0 && time - state.outsideSince < this.parameters.delaySeconds * 1000) return CALM;
    state.side = side;
    state.critical = this.isCritical(value, side, state.critical ? this.parameters.hysteresis : 0);
    return this.alarm(state, value, time, unit);
  }

  private sideOf(value: number, open: -1 | 0 | 1, slack: number): -1 | 0 | 1 {
    const high = this.parameters.high ?? this.parameters.criticalHigh;
    const low = this.parameters.low ?? this.parameters.criticalLow;
    if (high !== undefined && (open === 1 ? value > high - slack || value >= high : value >= high)) return 1;
    if (low !== undefined && (open === -1 ? value < low + slack || value <= low : value <= low)) return -1;
    return 0;
  }

  private isCritical(value: number, side: -1 | 1, slack: number): boolean {
    const { criticalHigh, criticalLow } = this.parameters;
    if (side === 1)
      return criticalHigh !== undefined && (value >= criticalHigh || (slack > 0 && value > criticalHigh - slack));
    return criticalLow !== undefined && (value <= criticalLow || (slack > 0 && value < criticalLow + slack));
  }

  private alarm(state: LimitsState, value: number, time: number, unit: string | undefined): Verdict {
    const { low, high, criticalLow, criticalHigh } = this.parameters;
    const severity: Severity = state.critical ? 'critical' : 'warning';
    const expected: { low?: number; high?: number } = {};
    if ((low ?? criticalLow) !== undefined) expected.low = (low ?? criticalLow)!;
    if ((high ?? criticalHigh) !== undefined) expected.high = (high ?? criticalHigh)!;
    const above = state.side === 1;
    const limit = above
      ? state.critical
        ? criticalHigh!
        : (high ?? criticalHigh)!
      : state.critical
        ? criticalLow!
        : (low ?? criticalLow)!;
    const seconds = (time - state.outsideSince) / 1000;
    const outside = above ? value >= limit : value <= limit;
    const relation = outside
      ? `${above ? (value > limit ? 'is above' : 'has reached') : value < limit ? 'is below' : 'has reached'}`
      : `is not yet back by ${exactText(this.parameters.hysteresis)} from`;
    const name = `the ${state.critical ? 'critical' : 'warning'} limit ${withUnit(exactText(limit), unit)}`;
    const since = seconds >= 1 ? `, for ${spanText(seconds)} now` : '';
    return {
      score: state.critical ? 1 : 0.9,
      alarm: true,
      severity,
      expected,
      text: `${withUnit(exactText(value), unit)} ${relation} ${name}${since}`,
    };
  }
}
