import type { Reading } from '../reading/reading.ts';
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
    // A clock that was set back must not keep the delay from running.
    if (state.outsideSince === 0 || time < state.outsideSince) state.outsideSince = time;
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
    const { hysteresis, ...ends } = this.parameters;
    const low = ends.low ?? ends.criticalLow;
    const high = ends.high ?? ends.criticalHigh;
    const expected: { low?: number; high?: number } = {};
    if (low !== undefined) expected.low = low;
    if (high !== undefined) expected.high = high;
    const above = state.side === 1;
    const limit = (above ? (state.critical ? ends.criticalHigh : high) : state.critical ? ends.criticalLow : low) ?? 0;
    const beyond = above ? value - limit : limit - value;
    const name = `the ${state.critical ? 'critical' : 'warning'} limit ${withUnit(exactText(limit), unit)}`;
    const seconds = (time - state.outsideSince) / 1000;
    const since = seconds >= 1 ? `, outside for ${spanText(seconds)}` : '';
    return {
      score: scoreOf(above ? value - (high ?? limit) : (low ?? limit) - value, low, high, limit),
      alarm: true,
      severity: state.critical ? 'critical' : 'warning',
      expected,
      text: `${withUnit(exactText(value), unit)} ${relation(beyond, above, hysteresis)} ${name}${since}`,
    };
  }
}

/** 0.5 at the limit, towards 1 as far beyond it as the limits lie apart (or as the only limit lies from zero). */
function scoreOf(beyond: number, low: number | undefined, high: number | undefined, limit: number): number {
  const width = low !== undefined && high !== undefined && high > low ? high - low : Math.abs(limit) || 1;
  return 1 - 0.5 * Math.exp(-Math.max(0, beyond) / (0.25 * width));
}

function relation(beyond: number, above: boolean, hysteresis: number): string {
  if (beyond > 0) return above ? 'is above' : 'is below';
  if (beyond === 0) return 'has reached';
  return `is not yet ${exactText(hysteresis)} back inside`;
}
