/**
 * Data keys have numbers (u32), which stand in clear in every sealed record:
 *
 * | number                                     | key                                                               |
 * | ------------------------------------------ | ----------------------------------------------------------------- |
 * | 1                                          | base: catalogue, documents, checkpoints, names                    |
 * | 0x0001_0000 + generation                   | journal, generation 1 … 65,535                                    |
 * | 0x0100_0000 + round × 4,096 + month        | readings of a month; month 0 is January 1970, 2,759 December 2199 |
 *
 * A month that was shredded starts a new round when readings of it arrive afterwards, so that what the destroyed key
 * sealed is never taken for damage under the new one.
 */
export const BASE_KEY = 1;

const JOURNAL = 0x1_0000;
const MONTHS = 0x100_0000;
const ROUND = 4096;
export const LAST_MONTH = (2199 - 1970) * 12 + 11;
/** Highest key number that is given out. */
export const LAST_KEY = 0x1fff_ffff;

export type KeyUse = 'base' | 'journal' | 'month';

export function useOf(id: number): KeyUse | undefined {
  if (id === BASE_KEY) return 'base';
  if (id > JOURNAL && id < 2 * JOURNAL) return 'journal';
  return id >= MONTHS && id <= LAST_KEY && (id - MONTHS) % ROUND <= LAST_MONTH ? 'month' : undefined;
}

/** `generation`: from 1. */
export const journalKey = (generation: number): number => JOURNAL + generation;

/** `month`: months since January 1970; `round`: how many times it was shredded before. */
export const monthKey = (month: number, round: number): number => MONTHS + round * ROUND + month;

export const monthOfKey = (id: number): number => (id - MONTHS) % ROUND;

export const roundOfKey = (id: number): number => Math.floor((id - MONTHS) / ROUND);

/** Whether a key is a month's, and of a month before this one. */
export const isMonthBefore = (id: number, month: number): boolean => useOf(id) === 'month' && monthOfKey(id) < month;

/** Month (UTC) of a time in epoch milliseconds; undefined outside 1970 to 2199. */
export function monthOfTime(time: number): number | undefined {
  const date = new Date(time);
  const month = (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
  return month >= 0 && month <= LAST_MONTH ? month : undefined;
}

/** Epoch milliseconds at which a month begins (UTC). */
export const beginOfMonth = (month: number): number => Date.UTC(1970 + Math.floor(month / 12), month % 12, 1);

/** `2026-03` */
export function monthText(month: number): string {
  return `${1970 + Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, '0')}`;
}

/** Month of a text `2026-03`; undefined for anything else. */
export function monthFrom(text: string): number | undefined {
  const [, year, month] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? [];
  return year === undefined ? undefined : monthOfTime(Date.UTC(Number(year), Number(month) - 1, 1));
}
