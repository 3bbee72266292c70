import type { SegmentEntry } from '../readings/reading-store.ts';

/** Readings that turned out broken. `place` says where they lie, so that they are declared once. */
export interface LostReadings {
  place: string;
  readings: number;
  /** From inclusive, to exclusive. */
  positions?: readonly [from: number, to: number];
  times?: readonly [from: number, to: number];
  /** Number of the series, when it is one. */
  series?: number;
}

/** All that a segment holds. */
export function wholeSegment(entry: SegmentEntry): LostReadings {
  const { number, readings, positionFrom, positionTo, timeFrom, timeTo } = entry;
  return {
    place: `segment/${number}/all`,
    readings,
    positions: [positionFrom, positionTo],
    times: [timeFrom, timeTo],
  };
}
