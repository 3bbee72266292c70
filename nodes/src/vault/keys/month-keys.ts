import { MAX_MONTH_KEYS } from './key-header.ts';
import { LAST_MONTH, monthKey, monthOfKey, roundOfKey, useOf } from './key-numbers.ts';

/** Keys kept free for the months in which the vault goes on writing, whatever times its senders make up. */
const RESERVED = 120;

/**
 * Number of the key for a month that has none yet, given the month of the writing clock, the keys there are by month
 * and those that were destroyed. May be the number of a key that is there.
 */
export function keyForMonth(
  month: number | undefined,
  writing: number | undefined,
  keys: ReadonlyMap<number, number>,
  shredded: ReadonlyMap<number, number>,
): number {
  // A clock before 1970 or after 2199 writes into the last month that there is a key for.
  const present = writing ?? Math.max(0, ...keys.keys());
  const wanted = month !== undefined && keys.size < MAX_MONTH_KEYS - RESERVED ? month : present;
  const known = keys.get(wanted);
  if (known !== undefined) return known;
  if (keys.size >= MAX_MONTH_KEYS) return keys.get(Math.max(...keys.keys()))!;
  return monthKey(Math.min(wanted, LAST_MONTH), nextRound(wanted, shredded));
}

function nextRound(month: number, shredded: ReadonlyMap<number, number>): number {
  const rounds = [...shredded.keys()].filter((id) => useOf(id) === 'month' && monthOfKey(id) === month).map(roundOfKey);
  return rounds.length === 0 ? 0 : Math.max(...rounds) + 1;
}
