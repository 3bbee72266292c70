import type { JournalLog } from '../journal/journal-log.ts';
import type { ClosedFile } from '../journal/closed.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import { monthOfKey, monthText } from '../keys/key-numbers.ts';
import type { SegmentEntry } from '../readings/reading-store.ts';
import type { FindingLog } from './finding-log.ts';
import type { LostReadings } from './lost-readings.ts';

/** How far others hold what the journal says. */
export interface Held {
  /** Newest record whose effects were in the catalogue when it was opened. */
  applied: number;
  /** Newest record that a fold took in: its readings are in segments, or were given up. */
  folded: number;
}

/** A key goes once no record under it is needed: one that is needed all the same comes of an older copy of the journal. */
export function noteClosed(log: JournalLog, { applied, folded }: Held, findings: FindingLog): void {
  const found = log.settleClosed(({ number, count }) => number > applied || (count > 0 && number > folded));
  for (const [i, finding] of found.entries()) findings.note(finding, lostWith(log.closed[i], folded));
}

function lostWith({ records }: ClosedFile, folded: number): LostReadings | undefined {
  const lost = records.filter(({ number, count }) => count > 0 && number > folded);
  const [from, to] = [lost.at(0), lost.at(-1)];
  if (from === undefined || to === undefined) return undefined;
  const positions = [from.first, to.first + to.count] as const;
  return {
    // A single one by the name under which it is declared when its neighbours show that it is missing.
    place: from === to ? `record/${from.number}` : `records/${from.number}-${to.number}`,
    readings: positions[1] - positions[0],
    positions,
    times: [Math.min(...lost.map(({ timeFrom }) => timeFrom)), Math.max(...lost.map(({ timeTo }) => timeTo))],
  };
}

/** Names segments with readings under data keys that are neither there nor known to have been destroyed. */
export function noteKeyless(entries: readonly SegmentEntry[], ring: KeyRing, findings: FindingLog): void {
  for (const { number, months } of entries) {
    const unknown = months.filter((id) => ring.recordKey(id) === undefined && ring.shreddedAt(id) === undefined);
    if (unknown.length === 0) continue;
    const names = unknown.map((id) => monthText(monthOfKey(id))).join(', ');
    const text = `readings of ${names} in it lie under a data key that the key header does not have: the key header is older than the segment`;
    findings.note({ place: `segment ${number}`, kind: 'rolled-back', text });
  }
}
