import { beginOfMonth } from '../keys/key-numbers.ts';
import type { Loss } from '../gaps.ts';
import type { SegmentEntry } from '../readings/reading-store.ts';
import type { Effect } from './effects.ts';

/** What a shred of the months before one (since January 1970) finds, and where it is looked up. */
export interface ShredScope {
  before: number;
  now: number;
  /** Data keys that go. */
  keys: ReadonlySet<number>;
  entries: readonly SegmentEntry[];
  under: (entry: SegmentEntry) => { readings: number; times: [from: number, to: number] };
  lostOf: (number: number) => number;
  isLost: (place: string) => boolean;
  blocks: ReadonlyMap<string, readonly number[]>;
  alerts: number;
}

/** What the commit of a shred lets go of and declares. Blocks go with their numbers: the cloud does not wait for them. */
export function shredLosses(scope: ShredScope): { effects: Effect[]; losses: Loss[] } {
  const { before, now: at, entries, keys, blocks, alerts } = scope;
  const effects: Effect[] = [];
  const losses: Loss[] = [];
  const common = { at, cause: 'shredded' as const };
  for (const entry of entries) {
    if (!entry.months.some((id) => keys.has(id))) continue;
    const { number, recordTo, tag, positionFrom, positionTo } = entry;
    const { readings, times } = scope.under(entry);
    const [timeFrom, timeTo] = times;
    const loss: Loss = { ...common, what: 'readings', count: readings, timeFrom, timeTo, series: 'all' };
    if (entry.months.every((id) => keys.has(id))) {
      effects.push({ kind: 'segment-removed', number, recordTo, tag });
      const count = Math.max(0, entry.readings - scope.lostOf(number));
      if (count > 0) losses.push({ ...loss, count, positions: [positionFrom, Math.max(positionFrom, positionTo - 1)] });
      continue;
    }
    const place = `segment/${number}/shredded-${before}`;
    if (readings === 0 || scope.isLost(place)) continue;
    effects.push({ kind: 'lost', place, readings });
    losses.push(loss);
  }
  // Rows were sealed under the month in which they were made.
  const end = beginOfMonth(before) - 1;
  const made = { ...common, timeFrom: end, timeTo: end };
  for (const [stream, numbers] of blocks) {
    const ranges = numbers.map((number): [number, number] => [number, number]);
    effects.push({ kind: 'blocks-dropped', stream, ranges, as: 'shredded' });
    losses.push(
      ...pieces(ranges).map((some): Loss => ({ ...made, what: 'blocks', count: some.length, stream, blocks: some })),
    );
  }
  if (alerts > 0) losses.push({ ...made, what: 'alerts', count: alerts });
  return { effects, losses };
}

/** A gap names a bounded number of ranges. */
function pieces(ranges: [number, number][]): [number, number][][] {
  return Array.from({ length: Math.ceil(ranges.length / 256) }, (_, i) => ranges.slice(256 * i, 256 * (i + 1)));
}
