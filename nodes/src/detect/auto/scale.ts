import type { AutoState } from './state.ts';

/** What the measures of `auto` share. */

/** The measures share the false alarms between them. */
export const MEASURES = 4;
export type Measure = 'spike' | 'jump' | 'level' | 'spread';

/** The short window spans this much, seconds: what an operator calls "just now"; slow series fill it more slowly. */
export const SHORT_SPAN = 600;
/** Interquartile range of a Gaussian, in standard deviations. */
export const IQR_GAUSS = 1.349;
/** A scale is at least this part of the value: the resolution of a 12-bit converter. */
const RELATIVE_FLOOR = 1 / 4096;
/** Before a series has ever changed, its step is taken as this part of its value. */
const UNKNOWN_STEP = 0.02;

/** A scale that is never smaller than what the sensor can tell apart. */
export function scaleFloor(state: AutoState, scale: number): number {
  const step = state.quantum > 0 ? state.quantum : UNKNOWN_STEP * Math.abs(state.median);
  const floor = Math.max(step, RELATIVE_FLOOR * Math.abs(state.median));
  if (scale > floor) return scale;
  // A series that was zero all its life gives no measure for its first change.
  return floor > 0 ? floor : Number.POSITIVE_INFINITY;
}
