import { TideError } from '../../node/errors.ts';
import type { Finding } from '../disk.ts';
import type { Sealer } from '../keys/sealed.ts';
import { damageOf } from './damage.ts';
import { sealFirstPage } from './first-page.ts';
import type { JournalFile } from './journal-file.ts';
import { PAGE } from './pages.ts';
import { mendBox, mendRecord, openBoxes, type NewRecord, type PlacedHead } from './record.ts';
import type { Room } from './room.ts';
import type { Scan, Sighting } from './scan.ts';
import { NO_TAG } from './stock.ts';

export interface RecoveryOptions {
  keyId: () => number;
  /** Newest record that is known to have been acknowledged. */
  acknowledged: number;
  /** Takes what is found. */
  findings: Finding[];
}

/** Where a log goes on. */
export interface LogEnd {
  newest: number;
  /** Tag of the head of the newest record. */
  tag: Uint8Array;
  /** The file that takes more records. */
  current: JournalFile | undefined;
  /** The newest record, when it is not known to be on the disk: it is written again before anybody relies on it. */
  again: Again | undefined;
}

export interface Again {
  record: NewRecord;
  /** Tag of the head of the record before it. */
  previous: Uint8Array;
  /** Where it lies. */
  file: JournalFile;
  /** The same bytes to the same places. Throws TideError `io`. */
  inPlace: () => void;
}

/** Finds the newest record in the newest files, and what it takes to be sure that it is on the disk. */
export class Recovery {
  private readonly files: JournalFile[];
  private readonly room: Room;
  private readonly sealer: Sealer;
  private readonly keyId: () => number;
  private readonly acknowledged: number;
  private readonly findings: Finding[];
  /** The newest record as it was before one of its bits flipped. */
  private mended: Buffer | undefined;
  private readonly end: LogEnd = { newest: 0, tag: NO_TAG, current: undefined, again: undefined };

  constructor(files: JournalFile[], room: Room, sealer: Sealer, options: RecoveryOptions) {
    this.files = files;
    this.room = room;
    this.sealer = sealer;
    this.keyId = options.keyId;
    this.acknowledged = options.acknowledged;
    this.findings = options.findings;
  }

  /** Throws TideError `io` when the disk can neither be read nor written. */
  run(): LogEnd {
    const { files, end, acknowledged } = this;
    for (let file = files.at(-1); file !== undefined; file = files.at(-1)) {
      const found = file.scan(this.sealer);
      const torn = this.dropTorn(file, found);
      const isOnly = files.length === 1 && file.said.first > 1;
      if (found.records.length > 0 || isOnly || file.said.first <= acknowledged) {
        this.goOn(file, found, torn);
        break;
      }
      // None of its records is whole. It must not say of the file before where that one ends: the same number may lie
      // there whole and acknowledged, when the newest record was written again.
      end.newest = file.said.first - 1;
      this.room.discard(file);
      files.pop();
    }
    this.findHoles();
    return end;
  }

  /** Goes on behind the newest record of the newest file, in it if that is as it should be. */
  private goOn(file: JournalFile, found: Scan, torn: boolean): void {
    const { end, findings } = this;
    const newest = found.records.at(-1);
    const isDurable = newest !== undefined && newest.head.number <= this.acknowledged;
    const unsure = isDurable ? undefined : newest?.head.number;
    findings.push(...damageOf(file, found, undefined, this.sealer, unsure));
    file.index(found, Infinity);
    const last = newest?.head.number ?? file.said.first - 1;
    const orderly = found.doubles.length === 0 && found.records.every(({ head, at }) => head.page === at);
    end.tag = newest?.head.tag ?? file.said.previous;
    if (!torn && newest !== undefined && last >= end.newest) this.settle(file, newest, isDurable, orderly);
    // One that others are known to have followed keeps its place.
    if (this.mended !== undefined && end.again === undefined) file.file.write(newest!.at * PAGE, this.mended);
    end.newest = Math.max(end.newest, last);
  }

  /** An unfinished record at the end was never acknowledged: it does not count, and nothing is written behind it. */
  private dropTorn(file: JournalFile, found: Scan): boolean {
    const newest = found.records.at(-1);
    if (newest === undefined || newest.head.number <= this.acknowledged) return false;
    const { head, at } = newest;
    const bytes = file.record(head, at);
    const boxes = openBoxes(head, bytes, this.sealer);
    if (!boxes.includes(undefined)) return false;
    this.mended = mendBit(head, bytes, boxes, this.sealer);
    const { number, first, count, timeFrom, timeTo } = head;
    const place = `${file.name}, page ${at}, record ${number}`;
    if (this.mended !== undefined) {
      const text = `one bit in record ${number} of the journal had flipped; it is put right, and nothing is lost`;
      this.findings.push({ place, kind: 'altered', text });
      return false;
    }
    found.records.pop();
    this.findings.push({
      place,
      kind: 'torn',
      text: `record ${number} of the journal was not written to its end and was never acknowledged; it is dropped`,
      ...(count > 0 ? { positions: [first, first + count] as const, times: [timeFrom, timeTo] as const } : {}),
    });
    return true;
  }

  /**
   * After a failed sync the newest record may be readable and still not be on the disk, and a second sync would say
   * nothing of it: it is written again, and not to its own place, where a write that is cut short could destroy it. A
   * first page can be: it is made out from the records when it does not arrive. Nothing more is written to a file in which
   * records were moved or doubled.
   */
  private settle(file: JournalFile, newest: Sighting, isDurable: boolean, orderly: boolean): void {
    const isSure = !file.inferred && newest.at > 1;
    if (orderly && (isSure || this.writeFirstPage(file))) this.end.current = file;
    if (!isDurable || (orderly && this.end.current === undefined)) this.end.again = this.again(file, newest);
  }

  /** False when the disk does not take it: another file goes on. */
  private writeFirstPage(file: JournalFile): boolean {
    const page = Buffer.alloc(PAGE);
    sealFirstPage(page, { ...file.said, keyId: file.said.keyId || this.keyId() }, this.sealer);
    try {
      file.file.write(0, page);
      file.file.sync();
      return true;
    } catch (error) {
      if (error instanceof TideError) return false;
      throw error;
    }
  }

  /** Undefined when it is damaged: nothing can be written of it but what is there. */
  private again(file: JournalFile, { head, at, fromCopy }: Sighting): Again | undefined {
    const bytes = this.mended ?? Buffer.from(file.record(head, at));
    const boxes = openBoxes(head, bytes, this.sealer).filter((box) => box !== undefined);
    if (boxes.length < head.boxLengths.length) return undefined;
    const { first, count, timeFrom, timeTo, boot, monotonic, wall, previous } = head;
    const inPlace = (): void => {
      mendRecord(bytes, head, fromCopy);
      const lead = at === 1 ? Buffer.from(file.file.read(0, PAGE)) : Buffer.alloc(0);
      file.file.write(at * PAGE - lead.length, Buffer.concat([lead, bytes]));
      file.file.sync();
    };
    return { record: { first, count, timeFrom, timeTo, boot, monotonic, wall, boxes }, previous, file, inPlace };
  }

  /** A file that is missing among the others: told by the sequences, and confirmed by the numbers. */
  private findHoles(): void {
    for (let i = 0; i + 1 < this.files.length; i++) {
      const [file, next] = [this.files[i], this.files[i + 1]];
      if (file.said.sequence + 1 === next.said.sequence || file.isIndexed) continue;
      this.findings.push(...indexFile(this.files, i, this.sealer));
    }
  }
}

/**
 * A write that was cut short lacks whole sectors. Where one bit makes all the difference, the record was whole, and may have
 * been acknowledged: its bytes with that bit put right; undefined when it is not that.
 */
function mendBit(
  head: PlacedHead,
  bytes: Uint8Array,
  boxes: readonly (Uint8Array | undefined)[],
  sealer: Sealer,
): Buffer | undefined {
  const broken = boxes.indexOf(undefined);
  return boxes.lastIndexOf(undefined) === broken ? mendBox(head, bytes, broken, sealer) : undefined;
}

/** Looks through a file, which ends where the next one begins; gives what is found there. */
export function indexFile(files: readonly JournalFile[], i: number, sealer: Sealer): Finding[] {
  const file = files[i];
  const next = files.at(i + 1);
  const end = next === undefined ? undefined : { number: next.said.first, position: next.said.position };
  const found = file.scan(sealer);
  // Before the file counts as looked through: what the disk does not give now is looked for again.
  const damage = [...damageOf(file, found, end, sealer)];
  file.index(found, end?.number ?? Infinity);
  return damage;
}
