import { MAX_TEXT } from './summary.ts';

/** What a switch or a word said. Numbers are no states. */
export type State = boolean | string;

/** A summary keeps the times of at most this many states; of more it keeps none, whatever order they come in. */
export const MAX_STATES = 16;

/** Milliseconds for which each state was held, all of them positive; `many` when there were more than `MAX_STATES`. */
export type States = Map<State, number> | 'many';

/** What a reading says of the state before it. */
export interface Held {
  state: State;
  /** From the reading before to this one. */
  milliseconds: number;
  /** This reading has another state. */
  changed: boolean;
}

/**
 * Follows the states of a series in journal order. A reading ends what the one before it began: the whole time between the
 * two counts where the new one lies, so that the sums are the same for windows of every length and folding is addition.
 */
export class StateTrace {
  /** The newest reading of the series; undefined at first and after a number. */
  last: { time: number; state: State } | undefined;

  /**
   * Undefined when the reading says nothing: it is the first one, or older than one before it (its time is then in what
   * was counted already).
   */
  next(time: number, value: number | State): Held | undefined {
    if (typeof value === 'number') {
      this.last = undefined;
      return undefined;
    }
    const before = this.last;
    if (before !== undefined && time < before.time) return undefined;
    const state = typeof value === 'string' ? boundedText(value) : value;
    this.last = { time, state };
    return before && { state: before.state, milliseconds: time - before.time, changed: state !== before.state };
  }
}

/** The states with one more time; the map is changed. */
export function addState(states: States, state: State, milliseconds: number): States {
  if (states === 'many' || milliseconds === 0) return states;
  states.set(state, (states.get(state) ?? 0) + milliseconds);
  return states.size > MAX_STATES ? 'many' : states;
}

/** The states of both; `into` is changed. */
export function mergeStates(into: States, from: States): States {
  if (into === 'many' || from === 'many') return 'many';
  let merged: States = into;
  for (const [state, milliseconds] of from) merged = addState(merged, state, milliseconds);
  return merged;
}

export function copyStates(states: States): States {
  return states === 'many' ? states : new Map(states);
}

/** False, true, then texts by UTF-16 code units. */
export function compareStates(a: State, b: State): number {
  if (typeof a !== typeof b) return typeof a === 'boolean' ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** States with their times, in order; undefined when there were too many to keep. */
export function statesOf(states: States): { state: State; milliseconds: number }[] | undefined {
  if (states === 'many') return undefined;
  const sorted = [...states].toSorted(([a], [b]) => compareStates(a, b));
  return sorted.map(([state, milliseconds]) => ({ state, milliseconds }));
}

/** Well-formed, so that it has one encoding in UTF-8, and no longer than a summary may hold. */
export function boundedText(text: string, most = MAX_TEXT): string {
  if (text.length <= most) return text.toWellFormed();
  const splits = (text.charCodeAt(most - 1) & 0xfc00) === 0xd800;
  return text.slice(0, splits ? most - 1 : most).toWellFormed();
}
