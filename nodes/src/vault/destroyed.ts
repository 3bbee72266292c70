import { beginOfMonth } from './keys/key-numbers.ts';

/** What one shred destroyed of the readings in the journal, which may have to keep their records for others. */
export interface Destroyed {
  /** Months since January 1970: readings of all months before this one are destroyed. */
  before: number;
  /** Newest journal record whose readings it took; one that came later is a new reading, whatever its time. */
  recordTo: number;
}

/** Time below which the readings of a journal record are destroyed, epoch milliseconds; undefined when none is. */
export function destroyedBelow(shreds: readonly Destroyed[], record: number): number | undefined {
  let before: number | undefined;
  for (const shred of shreds) if (record <= shred.recordTo) before = Math.max(before ?? 0, shred.before);
  return before === undefined ? undefined : beginOfMonth(before);
}

/** Times before 1970 belong to no month: their readings lie under the key of the month in which they were folded. */
export const isDestroyed = (time: number, below: number | undefined): boolean =>
  below !== undefined && time >= 0 && time < below;
