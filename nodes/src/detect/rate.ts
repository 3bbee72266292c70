import type { Reading } from '../reading/reading.ts';
import { CALM, type Detector, type Verdict } from './detector.ts';
import { numberText, spanText, withUnit } from './number-text.ts';

export interface RateParameters {
  /** Largest change that is allowed within `perSeconds`, up or down, in the unit of the value. */
  change: number;
  /** Length of the span over which the change is taken, seconds. */
  perSeconds: number;
}

export interface RateState {
  /** Extremes of each slot of the span, oldest first: start of slot, its lowest and highest value with their times. */
  slots: RateSlot[];
}

interface RateSlot {
  start: number;
  low: number;
  lowAt: number;
  high: number;
  highAt: number;
}

/** Slots of a span: a change is compared over a span that is exact to an eighth. */
const SLOTS = 8;

/**
 * Change within a span of time: the value against the lowest and highest of the span before it. A rise that comes in many
 * small steps counts like one step, and a noisy reading is not multiplied up to a rate per second.
 */
export class RateDetector implements Detector<RateState> {
  readonly kind = 'rate';
  readonly version = 1;
  readonly inUnit = true;
  private readonly parameters: RateParameters;

  constructor(parameters: RateParameters) {
    this.parameters = parameters;
  }

  create(): RateState {
    return { slots: [] };
  }

  step(state: RateState, reading: Reading): Verdict {
    const { value, time, unit } = reading;
    if (typeof value !== 'number') return CALM;
    const { change, perSeconds } = this.parameters;
    const span = perSeconds * 1000;
    const { slots } = state;
    const last = slots.at(-1);
    // A late reading would be compared with values that came after it; a clock set back starts afresh.
    if (last !== undefined && time < last.start) {
      if (last.start - time < span) return CALM;
      slots.length = 0;
    }
    while (slots.length > 0 && slots[0].start < time - span) slots.shift();
    let [low, lowAt] = [value, time];
    let [high, highAt] = [value, time];
    for (const slot of slots) {
      if (slot.low < low) [low, lowAt] = [slot.low, slot.lowAt];
      if (slot.high > high) [high, highAt] = [slot.high, slot.highAt];
    }
    remember(slots, value, time, span / SLOTS);
    const rise = value - low;
    const fall = high - value;
    // Two readings may lie further apart than the largest number.
    const largest = Math.min(Math.max(rise, fall), Number.MAX_VALUE);
    const score = Math.min(1, largest / 2 / change);
    if (largest <= change) return { score, alarm: false, severity: 'info', text: '' };
    const rising = rise >= fall;
    const amount = withUnit(numberText(largest), unit);
    const within = spanText((time - (rising ? lowAt : highAt)) / 1000);
    const allowed = `${withUnit(numberText(change), unit)} in ${spanText(perSeconds)}`;
    return {
      score,
      alarm: true,
      severity: 'warning',
      expected: rising ? { high: low + change } : { low: high - change },
      text: `${rising ? 'rose' : 'fell'} by ${amount} within ${within} to ${numberText(value)}; at most ${allowed} is allowed`,
    };
  }
}

function remember(slots: RateSlot[], value: number, time: number, length: number): void {
  const last = slots.at(-1);
  if (last === undefined || time - last.start >= length) {
    slots.push({ start: time, low: value, lowAt: time, high: value, highAt: time });
    return;
  }
  if (value <= last.low) [last.low, last.lowAt] = [value, time];
  if (value >= last.high) [last.high, last.highAt] = [value, time];
}
