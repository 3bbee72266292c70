import type { SegmentHead } from './segment-format.ts';

/** What the catalogue says of a segment; it can be read out of the segment, too. */
export interface SegmentEntry {
  /** From 1, without gaps but for those that were removed. */
  number: number;
  file: string;
  bytes: number;
  readings: number;
  seriesCount: number;
  /** Epoch milliseconds, lowest and highest. */
  timeFrom: number;
  timeTo: number;
  /** Positions of its readings: from inclusive, to exclusive. */
  positionFrom: number;
  positionTo: number;
  /** Number of the last journal record that it includes. */
  recordTo: number;
  /** Tag of its footer, 16 bytes; zeros while the footer is broken. */
  tag: Uint8Array;
  /** Tag of the segment before it, zeros for the first. */
  previousTag: Uint8Array;
  /** Data keys that its chunks are sealed with, ascending. */
  months: readonly number[];
  /** What is left since months of it were shredded: the fields above say what was written. Absent while that is all. */
  left?: { readings: number; timeFrom: number };
}

/** Readings that are still there, and the lowest of their times. */
export const leftOf = ({ left, readings, timeFrom }: SegmentEntry): { readings: number; timeFrom: number } =>
  left ?? { readings, timeFrom };

export function entryOf(
  head: SegmentHead,
  file: string,
  bytes: number,
  tag: Uint8Array,
  keys: Iterable<number>,
): SegmentEntry {
  const { number, readings, seriesCount, timeFrom, timeTo, positionFrom, positionTo, recordTo, previousTag } = head;
  const months = [...new Set(keys)].toSorted((a, b) => a - b);
  return {
    number,
    file,
    bytes,
    readings,
    seriesCount,
    timeFrom,
    timeTo,
    positionFrom,
    positionTo,
    recordTo,
    tag,
    previousTag,
    months,
  };
}

const SUFFIX = '.segment';
const UNFINISHED = '.new';
const DIGITS = 8;

const padded = (number: number): string => String(number).padStart(DIGITS, '0');
export const fileOf = (number: number): string => `${padded(number)}${SUFFIX}`;
export const unfinishedOf = (number: number): string => `${padded(number)}${UNFINISHED}`;
export const isUnfinished = (name: string): boolean => name.endsWith(UNFINISHED);

/** The number in a segment's name; undefined for another file. */
export function numberOf(name: string): number | undefined {
  const digits = /^(\d{8,12})\.segment$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
