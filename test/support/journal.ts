import { randomBytes } from 'node:crypto';
import type { Finding } from '../../nodes/src/vault/disk.ts';
import { JournalLog, type JournalOptions } from '../../nodes/src/vault/journal/journal-log.ts';
import type { NewRecord } from '../../nodes/src/vault/journal/record.ts';
import { Sealer } from '../../nodes/src/vault/keys/sealed.ts';
import type { Disk } from '../../nodes/src/vault/disk.ts';

/** Data keys 1 and 2. */
const keys = [new Uint8Array(randomBytes(32)), new Uint8Array(randomBytes(32))];
const storeId = randomBytes(16);

/** Seals and opens with these data keys. */
export function sealerWith(...ids: number[]): Sealer {
  return new Sealer({ current: ids[0], recordKey: (id) => (ids.includes(id) ? keys[id - 1] : undefined) }, storeId);
}

export const journalSealer = sealerWith(1, 2);
export const PAGE = 4_096;

export function openJournal(
  disk: Disk,
  options: JournalOptions = {},
  keyId = 1,
): { log: JournalLog; findings: Finding[] } {
  return JournalLog.open(disk, journalSealer, () => keyId, { fileBytes: 16 * PAGE, ...options });
}

/** A record whose boxes are of these lengths; `stamp` tells it from others. */
export function journalRecord(first: number, count: number, lengths: readonly number[], stamp = first): NewRecord {
  return {
    first,
    count,
    timeFrom: 1_700_000_000_000 + first,
    timeTo: 1_700_000_000_000 + first + count,
    boot: Uint8Array.from({ length: 16 }, (_, i) => i),
    monotonic: 12.5 * first,
    wall: 1_800_000_000_000 + stamp,
    boxes: lengths.map((length, i) => Uint8Array.from({ length }, (_, at) => (stamp * 31 + i * 7 + at) & 255)),
  };
}

/** What is left to read of a log, by number. */
export function recordsOf(log: JournalLog): Map<number, NewRecord | undefined> {
  const records = new Map<number, NewRecord | undefined>();
  for (let number = log.oldest; number <= log.last; number++) {
    const opened = log.read(number);
    if (opened === undefined) {
      records.set(number, undefined);
      continue;
    }
    const { number: same, boxes, ...head } = opened;
    if (same !== number) throw new Error(`record ${number} says that it is ${same}`);
    const whole = boxes.filter((box) => box !== undefined);
    records.set(
      number,
      whole.length < boxes.length ? undefined : { ...head, boxes: whole.map((box) => Uint8Array.from(box)) },
    );
  }
  return records;
}
