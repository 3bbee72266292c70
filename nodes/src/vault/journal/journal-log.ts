import { TideError } from '../../node/errors.ts';
import type { Disk, Finding } from '../disk.ts';
import type { Sealer } from '../keys/sealed.ts';
import { closedFinding, type ClosedFile } from './closed.ts';
import { sealFirstPage } from './first-page.ts';
import { Handles } from './handles.ts';
import { JournalFile } from './journal-file.ts';
import { PAGE } from './pages.ts';
import { pagesOf, sealRecord, type ClearHead, type NewRecord, type OpenedRecord, type RecordHead } from './record.ts';
import { Room } from './room.ts';
import { Recovery, indexFile, type Again } from './recovery.ts';
import { NO_TAG, takeStock, type Stock } from './stock.ts';
import { verifyFiles } from './verify.ts';

export interface JournalOptions {
  /** Bytes of a file; more when one record needs it. */
  fileBytes?: number;
  /** Files that are kept for new records once their own are not needed. */
  spare?: number;
  /**
   * The newest record that is known to have been acknowledged: when it or one before it is broken, that is damage and
   * no unfinished write. Whoever knows it compares it with `last`, and lets the log start behind it.
   */
  acknowledged?: number;
  /** Told of damage that is met after opening, in files that were not looked through then. */
  onFinding?: (finding: Finding) => void;
}

const FILE_BYTES = 4 * 1024 * 1024;
const SPARE = 2;

/**
 * The vault's redo log: numbered records of sealed boxes in preallocated files. A record is durable when `append`
 * returns. No record that was written is ever written over while it is needed: a write or sync that failed ends its file.
 */
export class JournalLog {
  private readonly sealer: Sealer;
  private readonly keyId: () => number;
  private readonly room: Room;
  private readonly handles: Handles;
  private readonly onFinding: (finding: Finding) => void;
  /** In order of sequence. */
  private readonly files: JournalFile[];
  /** The newest file, when it takes more records. */
  private current: JournalFile | undefined;
  private newest = 0;
  private tag = NO_TAG;
  /** What was wrong with the names and first pages of files. */
  private readonly misplaced: Finding[];
  private closedFiles: ClosedFile[];

  private constructor(disk: Disk, sealer: Sealer, keyId: () => number, options: JournalOptions) {
    this.sealer = sealer;
    this.keyId = keyId;
    this.onFinding = options.onFinding ?? ((): void => undefined);
    this.handles = new Handles(disk);
    const stock = this.takeStock(disk);
    this.files = stock.files;
    this.misplaced = stock.findings;
    this.closedFiles = stock.closed;
    this.room = new Room(disk, stock, options.fileBytes ?? FILE_BYTES, options.spare ?? SPARE);
  }

  /** Throws TideError `io` when the disk cannot be read, or the newest record cannot be written again. */
  static open(
    disk: Disk,
    sealer: Sealer,
    keyId: () => number,
    options: JournalOptions = {},
  ): { log: JournalLog; findings: Finding[] } {
    const log = new JournalLog(disk, sealer, keyId, options);
    const findings = [...log.misplaced];
    try {
      log.begin(options.acknowledged ?? 0, findings);
    } catch (error) {
      log.close();
      throw error;
    }
    return { log, findings };
  }

  /** Number of the newest record, 0 when there never was one. */
  get last(): number {
    return this.newest;
  }

  /** Oldest record still held, `last + 1` when there is none. */
  get oldest(): number {
    return this.files.length === 0 ? this.newest + 1 : Math.min(this.files[0].said.first, this.newest + 1);
  }

  /** Position of the first reading in it, or of the next one; undefined when there is no file. */
  get oldestPosition(): number | undefined {
    return this.files.at(0)?.said.position;
  }

  /** Bytes of records still held, and of all files. */
  get bytes(): { held: number; allocated: number } {
    let held = 0;
    let allocated = this.closedFiles.reduce((sum, { size }) => sum + size, this.room.bytes);
    for (const file of this.files) {
      held += file.isIndexed ? file.end * PAGE : file.file.size;
      allocated += file.file.size;
    }
    return { held, allocated };
  }

  /** Files of which nothing opens since their data key is not there: of those that were not needed any more, or rolled back. */
  get closed(): readonly ClosedFile[] {
    return this.closedFiles;
  }

  /**
   * Settles which records under data keys that are not there are still needed: their files are left as they are, and named
   * by `verify`; those of others are room for new records.
   */
  settleClosed(isNeeded: (record: ClearHead) => boolean): Finding[] {
    const left: ClosedFile[] = [];
    for (const file of this.closedFiles) {
      const records = file.records.filter(isNeeded);
      if (records.length > 0) left.push({ ...file, records });
      else this.room.takeFound({ name: file.name, size: file.size });
    }
    this.closedFiles = left;
    return this.closedFindings();
  }

  /** Lowest number of a data key under which records lie that are still held. */
  get oldestKey(): number {
    return Math.min(this.keyId(), ...this.files.map(({ said }) => said.keyId));
  }

  /** Why the last attempt to make room ahead failed. */
  get problem(): TideError | undefined {
    return this.room.problem;
  }

  /**
   * Seals, writes, syncs. When it throws (TideError `disk-full`, `io`, `too-large`), the record does not count, and the
   * next append writes its number to a fresh file.
   */
  append(record: NewRecord): { number: number; bytes: number } {
    const number = this.newest + 1;
    const written = this.write(number, record);
    this.newest = number;
    this.tag = written.tag;
    return { number, bytes: written.bytes };
  }

  /** Undefined: not held, or its head is broken. */
  read(number: number): OpenedRecord | undefined {
    return this.fileOf(number)?.read(number, this.sealer);
  }

  head(number: number): RecordHead | undefined {
    return this.fileOf(number)?.head(number, this.sealer);
  }

  /** Number of the record that holds this position, else of the next record after it. */
  find(position: number): number | undefined {
    let low = 0;
    let high = this.files.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.files[middle].said.position <= position) low = middle + 1;
      else high = middle;
    }
    for (let i = Math.max(0, low - 1); i < this.files.length; i++) {
      const found = this.indexed(i).find(position);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Records below are not needed any more: whole files are kept for new records, or removed. */
  release(before: number): void {
    // The file of the newest record stays: its number is what the next one follows.
    while (this.files.length > 1 && this.files[1].said.first <= Math.min(before, this.newest)) {
      const [file] = this.files;
      this.room.take(file);
      this.files.shift();
    }
    this.room.trim();
  }

  /** A step of making room ahead for the time when the current file is full; true when it did something. */
  prepare(): boolean {
    const { current } = this;
    if (current !== undefined && 2 * current.end * PAGE <= current.file.size) return false;
    return this.room.prepare();
  }

  /** There may be room again: what `prepare` could not make is tried anew. */
  tryAgain(): void {
    this.room.problem = undefined;
  }

  /** Goes on at this number, when others know of records that are not here. Throws TideError `invalid` when records from there on are held. */
  startAt(number: number): void {
    if (!Number.isSafeInteger(number) || number <= this.newest)
      throw new TideError('invalid', `the journal cannot start at ${number}: record ${this.newest} is there already`);
    if (number === this.newest + 1) return;
    this.newest = number - 1;
    // Numbers within a file have no gaps; what follows begins one of its own.
    this.current = undefined;
  }

  /** Reads all that is held. Appending and releasing go on meanwhile. */
  *verify(): Generator<Finding> {
    for (const finding of this.verifySteps()) if (finding !== undefined) yield finding;
  }

  /** The same in steps: undefined after each record. */
  *verifySteps(): Generator<Finding | undefined> {
    // A damaged first page is met again when its file is read.
    for (const finding of this.misplaced)
      if (finding.kind === 'duplicated' || finding.kind === 'reordered') yield finding;
    yield* this.closedFindings();
    yield* verifyFiles(this.files, () => this.newest, this.sealer);
  }

  close(): void {
    this.handles.close();
    this.room.close();
  }

  private closedFindings(): Finding[] {
    return this.closedFiles.map((file) => closedFinding(file, this.keyId()));
  }

  private write(number: number, record: NewRecord): { bytes: number; tag: Uint8Array } {
    const pages = pagesOf(record);
    const keyId = this.keyId();
    let file = this.current;
    let lead = 0;
    // One key for all of a file: once the file is not needed any more, neither is its key.
    if (file === undefined || file.said.keyId !== keyId || (file.end + pages) * PAGE > file.file.size) {
      this.current = undefined;
      const { sequence, file: fresh } = this.room.get((pages + 1) * PAGE);
      file = new JournalFile(this.handles.adopt(fresh), {
        sequence,
        first: number,
        position: record.first,
        previous: this.tag,
        keyId,
      });
      file.begin();
      this.files.push(file);
      lead = 1;
    }
    const bytes = Buffer.allocUnsafe((lead + pages) * PAGE);
    if (lead > 0) sealFirstPage(bytes, file.said, this.sealer);
    const place = { number, sequence: file.said.sequence, page: file.end, previous: this.tag };
    const tag = sealRecord(bytes.subarray(lead * PAGE), record, place, this.sealer, keyId);
    // Until the sync has succeeded nothing is known of this file: another one takes what comes next.
    this.current = undefined;
    file.file.write((file.end - lead) * PAGE, bytes);
    file.file.sync();
    file.add(number, file.end, record.first, record.count);
    file.end += pages;
    this.current = file;
    return { bytes: bytes.length, tag };
  }

  private takeStock(disk: Disk): Stock {
    try {
      return takeStock(disk, this.handles, this.sealer);
    } catch (error) {
      this.handles.close();
      throw error;
    }
  }

  private fileOf(number: number): JournalFile | undefined {
    if (number > this.newest) return undefined;
    for (let i = this.files.length - 1; i >= 0; i--) if (this.files[i].said.first <= number) return this.indexed(i);
    return undefined;
  }

  private indexed(i: number): JournalFile {
    const file = this.files[i];
    if (file.isIndexed) return file;
    for (const finding of indexFile(this.files, i, this.sealer)) this.onFinding(finding);
    return file;
  }

  /** Goes on where the files end. */
  private begin(acknowledged: number, findings: Finding[]): void {
    const end = new Recovery(this.files, this.room, this.sealer, { keyId: this.keyId, acknowledged, findings }).run();
    this.newest = end.newest;
    this.tag = end.tag;
    this.current = end.current;
    if (end.again !== undefined) this.writeAgain(end.again);
  }

  /** Behind itself, or to a fresh file; to its own place, which a power cut may destroy, only where nothing else is to be had. */
  private writeAgain({ record, previous, file, inPlace }: Again): void {
    const { tag } = this;
    for (let tries = 2; ; tries--) {
      try {
        this.tag = previous;
        this.tag = this.write(this.newest, record).tag;
        break;
      } catch (error) {
        this.tag = tag;
        if (!(error instanceof TideError)) throw error;
        if (tries > 1) continue;
        if (error.code !== 'disk-full') throw error;
        while (this.files.at(-1) !== file) this.room.discard(this.files.pop()!);
        inPlace();
        return;
      }
    }
    // One that held nothing else would be one more with each start that fails.
    const before = this.files.at(-2);
    if (before?.said.first !== this.newest) return;
    this.files.splice(-2, 1);
    this.room.discard(before);
  }
}
