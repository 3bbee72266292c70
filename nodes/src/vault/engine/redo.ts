import type { Finding } from '../disk.ts';
import type { JournalLog } from '../journal/journal-log.ts';
import type { OpenedRecord } from '../journal/record.ts';
import { openBox, type Box, type BoxEntry } from './boxes.ts';
import type { Effect } from './effects.ts';
import type { ReceiptKeeper } from './receipt-keeper.ts';

/** A record with its boxes read; damaged ones are counted. */
export interface ReadRecord {
  number: number;
  first: number;
  count: number;
  readings: { position: number; entry: BoxEntry }[];
  effects: Effect[];
  receipts: Uint8Array | undefined;
  damaged: number;
  /** Readings that damaged boxes held. */
  lostReadings: number;
  /** A damaged box held something else than readings. */
  lostEffects: boolean;
}

/** Undefined for a record that the journal does not hold or whose head is broken. */
export function readRecord(log: JournalLog, number: number): ReadRecord | undefined {
  const record = log.read(number);
  return record === undefined ? undefined : unpack(record);
}

function unpack({ number, first, count, boxes }: OpenedRecord): ReadRecord {
  const read: ReadRecord = {
    number,
    first,
    count,
    readings: [],
    effects: [],
    receipts: undefined,
    damaged: 0,
    lostReadings: 0,
    lostEffects: false,
  };
  let found = 0;
  for (const sealed of boxes) {
    const box = sealed === undefined ? undefined : tryOpen(sealed);
    if (box === undefined) read.damaged++;
    else if (box.kind === 'effects') for (const effect of box.effects) read.effects.push(effect);
    else if (box.kind === 'receipts') read.receipts = box.bytes;
    else {
      let position = first + box.offset;
      for (const entry of box.entries) {
        read.readings.push({ position, entry });
        position += entry.count;
        found += entry.count;
      }
    }
  }
  read.lostReadings = count - found;
  // One bad page may hold several boxes: only one that is damaged alone is known to have held the readings that are missing.
  read.lostEffects = read.damaged > (read.lostReadings > 0 ? 1 : 0);
  return read;
}

function tryOpen(bytes: Uint8Array): Box | undefined {
  try {
    return openBox(bytes);
  } catch {
    // Its seal was whole, so this is what a later version wrote; the caller counts it like any other damage.
    return undefined;
  }
}

/** What applying the journal's tail to the catalogue found. */
export interface RedoReport {
  findings: Finding[];
  readings: number;
  /** Numbers may have been given out that the catalogue does not know. */
  lossy: boolean;
}

/** Applies the effects of all records after `applied`. */
export function redo(log: JournalLog, applied: number, apply: (effects: readonly Effect[]) => void): RedoReport {
  const report: RedoReport = { findings: [], readings: 0, lossy: false };
  if (log.last > applied && log.oldest > applied + 1) {
    report.lossy = true;
    report.findings.push({
      place: `journal records ${applied + 1} to ${log.oldest - 1}`,
      kind: 'removed',
      text: 'what was committed then is missing from the catalogue',
    });
  }
  for (let number = Math.max(applied + 1, log.oldest); number <= log.last; number++) {
    const record = readRecord(log, number);
    if (record === undefined) {
      report.lossy = true;
      report.findings.push({ place: `journal record ${number}`, kind: 'altered', text: 'it cannot be read' });
      continue;
    }
    if (record.damaged > 0) {
      report.lossy ||= record.lostEffects;
      report.findings.push(damagedBoxes(record));
    }
    report.readings += record.count - record.lostReadings;
    if (record.effects.length > 0) apply(record.effects);
  }
  return report;
}

/** In words; the same ones whoever meets it. */
export function damagedBoxes({ number, damaged, lostReadings, first, count }: ReadRecord): Finding {
  return {
    place: `journal record ${number}`,
    kind: 'altered',
    text: `${damaged} of its boxes do not open: ${lostReadings} readings are lost`,
    positions: [first, first + count],
  };
}

/** Fills the window of receipts from the newest records backwards, as far as needed. */
export function recallReceipts(log: JournalLog, keeper: ReceiptKeeper, after: number): void {
  for (let number = log.last; number > after && number >= log.oldest && !keeper.full; number--) {
    const receipts = readRecord(log, number)?.receipts;
    if (receipts !== undefined) keeper.addOlder(number, receipts);
  }
}

/** The catalogue as far as redoing needs it. */
export interface RedoTarget {
  readonly applied: number;
  begin(): void;
  apply(effects: readonly Effect[]): void;
}

/** Brings the catalogue up to the newest record, in its long transaction. */
export function redoInto(catalogue: RedoTarget, log: JournalLog): RedoReport {
  catalogue.begin();
  return redo(log, catalogue.applied, (effects) => catalogue.apply(effects));
}
