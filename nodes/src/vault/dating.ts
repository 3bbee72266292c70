/** Dates readings that were taken before the gateway knew the time, by the monotonic clock of their boot. */
import { z } from 'zod';
import type { Quality, Reading } from '../reading/reading.ts';

const time = z.number().min(-8.64e15).max(8.64e15);

/** One start of the machine, as the vault remembers it. Times are milliseconds. */
export const bootSchema = z.object({
  id: z.string().min(1).max(64),
  /** Boots in the order in which they were. */
  order: z.number().int().min(1),
  /** Monotonic times of the boot at which this vault was first and last in use. */
  first: time,
  last: time,
  /** The right time less the monotonic one, when it was last known. */
  offset: time.optional(),
  /** Monotonic time from which on it was not known any more. */
  doubtFrom: time.optional(),
});
export type Boot = z.infer<typeof bootSchema>;

/** Namespace of the boots; the key is the boot's id. */
export const BOOTS = 'boots';
export const MAX_BOOTS = 1_024;

/** Where on the calendar a boot's monotonic times lie: `at + (monotonic - from) * scale`. */
export interface Dating {
  from: number;
  at: number;
  scale: number;
  /** Readings from this monotonic time on are uncertain. */
  uncertainFrom: number;
}

/** Latest time that was ever right here, epoch milliseconds; undefined when none was. */
export function newestTrusted(boots: readonly Boot[]): number | undefined {
  let newest: number | undefined;
  for (const { offset, last, doubtFrom } of boots)
    if (offset !== undefined) newest = Math.max(newest ?? -Infinity, offset + Math.min(last, doubtFrom ?? last));
  return newest;
}

/**
 * How each boot is dated. One that learnt the time is exact; what it took after it came into doubt is uncertain, unless it
 * is the one that runs (`current`), which may still be told. Boots that never learnt it are laid, in order, into the time
 * between the last trusted moment before and the first one after them, with equal pauses; without a moment before they end at
 * the one after. Without one after they are not dated yet.
 */
export function datings(boots: readonly Boot[], current: string): Map<string, Dating> {
  const found = new Map<string, Dating>();
  const ordered = boots.toSorted((a, b) => a.order - b.order);
  let unknown: Boot[] = [];
  let before: number | undefined;
  for (const boot of ordered) {
    const { id, offset, first, last, doubtFrom } = boot;
    if (offset === undefined) {
      unknown.push(boot);
      continue;
    }
    for (const [lost, dating] of between(unknown, before, first + offset)) found.set(lost, dating);
    unknown = [];
    before = offset + Math.min(last, doubtFrom ?? last);
    if (id !== current || doubtFrom === undefined)
      found.set(id, { from: 0, at: offset, scale: 1, uncertainFrom: doubtFrom ?? Infinity });
  }
  return found;
}

function between(boots: readonly Boot[], before: number | undefined, after: number): [string, Dating][] {
  const length = boots.reduce((sum, { first, last }) => sum + (last - first), 0);
  const room = before === undefined ? length : Math.max(0, after - before);
  // A monotonic clock that ran too fast leaves less room than the boots took.
  const scale = length > room && length > 0 ? room / length : 1;
  const pause = (room - length * scale) / (boots.length + 1);
  let at = after - room + pause;
  return boots.map(({ id, first, last }) => {
    const dating: Dating = { from: first, at, scale, uncertainFrom: -Infinity };
    at += (last - first) * scale + pause;
    return [id, dating];
  });
}

/** A reading of which `time` is monotonic time, with its right time; one with the device's own time stays as it is. */
export function dated(reading: Reading, { from, at, scale, uncertainFrom }: Dating): Reading {
  if (reading.clock === 'device') return reading;
  const time = Math.round(at + (reading.time - from) * scale);
  const quality: Quality = reading.quality === 'good' && reading.time >= uncertainFrom ? 'uncertain' : reading.quality;
  return { ...reading, time, quality };
}
