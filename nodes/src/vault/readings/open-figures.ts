import type { OpenChunks } from './open-chunks.ts';

/** What is in memory. */
export interface OpenFigures {
  readings: number;
  bytes: number;
  series: number;
  /** Position of the first reading; 0 when there is none. */
  positionFrom: number;
  /** Lowest wall time of adding, epoch milliseconds; Infinity when there is nothing. */
  since: number;
}

/** Bytes of open chunks at which they are folded, unless another number is given. */
export const FULL_BYTES = 8 * 1024 * 1024;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** After an hour it is worth it: readings of a series that make a good chunk, or bytes. */
const GOOD_CHUNK = 512;
const WORTH_BYTES = 1024 * 1024;

export function isFoldDue(
  { readings, bytes, series, since }: OpenFigures,
  now: number,
  fullBytes = FULL_BYTES,
): boolean {
  if (readings === 0) return false;
  const age = now - since;
  if (bytes >= fullBytes || age >= DAY) return true;
  return age >= HOUR && (readings >= GOOD_CHUNK * series || bytes >= WORTH_BYTES);
}

export function figuresOf(from: readonly OpenChunks[]): OpenFigures {
  const full = from.filter(({ readings }) => readings > 0);
  const sum = (pick: (chunks: OpenChunks) => number): number => full.reduce((all, chunks) => all + pick(chunks), 0);
  return {
    readings: sum(({ readings }) => readings),
    bytes: sum(({ bytes }) => bytes),
    series: seriesIn(full),
    positionFrom: full[0]?.positionFrom ?? 0,
    since: Math.min(Infinity, ...full.map(({ since }) => since)),
  };
}

function seriesIn(from: readonly OpenChunks[]): number {
  if (from.length < 2) return from[0]?.slots.count ?? 0;
  return new Set(from.flatMap(({ slots }) => [...slots.numbers.subarray(0, slots.count)])).size;
}
