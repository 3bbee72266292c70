import { TideError } from '../../node/errors.ts';
import type { Disk, DiskFile } from '../disk.ts';
import type { JournalFile } from './journal-file.ts';
import { PAGE } from './pages.ts';
import { nameOf, type Spare, type Stock } from './stock.ts';

/** Zeros written and synced in one step of preparing, so that a step does not keep commits waiting for long. */
const STEP = 512 * 1024;
const ZEROS = new Uint8Array(PAGE);

interface Next {
  sequence: number;
  file: DiskFile;
  /** Bytes that are there for sure, and the name with them. */
  ready: number;
}

/**
 * Files for records to come. They are preallocated with zeros: an extent that is only reserved would cost a write of
 * the file system's own at each commit. A file whose records are not needed any more is given a new name and used again
 * as it is.
 */
export class Room {
  /** Why the last attempt to make room failed. */
  problem: TideError | undefined;
  private readonly disk: Disk;
  private readonly fileBytes: number;
  private readonly spare: number;
  /** The file for the next sequence; it may still be shorter than it has to be. */
  private next: Next | undefined;
  /** Oldest first, still under their old names. */
  private readonly free: Spare[];
  private sequence: number;
  private readonly idle: number;

  constructor(disk: Disk, stock: Stock, fileBytes: number, spare: number) {
    this.disk = disk;
    this.fileBytes = Math.ceil(Math.max(fileBytes, 2 * PAGE) / PAGE) * PAGE;
    this.spare = spare;
    this.free = stock.spares;
    this.sequence = stock.nextSequence;
    this.idle = stock.idle;
  }

  get bytes(): number {
    return this.free.reduce((sum, { size }) => sum + size, this.idle + (this.next?.file.size ?? 0));
  }

  /** A file of at least so many bytes. Throws TideError `disk-full` or `io`. */
  get(bytes: number): { sequence: number; file: DiskFile } {
    const size = Math.max(bytes, this.fileBytes);
    try {
      const next = (this.next ??= this.begin());
      while (next.ready < size) this.grow(next, size);
      this.next = undefined;
      this.problem = undefined;
      return next;
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /** One step; true when it did something. A failure is kept: nothing more is tried until room is asked for or given back. */
  prepare(): boolean {
    if (this.problem !== undefined || (this.next !== undefined && this.next.ready >= this.fileBytes)) return false;
    try {
      if (this.next === undefined) this.next = this.begin();
      else this.grow(this.next, this.fileBytes);
    } catch (error) {
      this.fail(error);
    }
    return true;
  }

  /** A file whose records are not needed any more. */
  take(file: JournalFile): void {
    this.free.push({ name: file.name, size: file.file.size });
    file.file.close();
    this.problem = undefined;
  }

  /** A file that was found, older than all that are taken later. */
  takeFound(spare: Spare): void {
    this.free.push(spare);
    this.free.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Removes a file at once. */
  discard({ name, file }: JournalFile): void {
    file.close();
    this.disk.remove(name);
    this.disk.sync();
  }

  /**
   * Removes what is more than enough, and files of an unusual length with all older ones: after a power cut the files
   * that are still there follow each other without a gap.
   */
  trim(): void {
    const odd = this.free.findLastIndex(({ size }) => size !== this.fileBytes);
    let surplus = Math.max(odd + 1, this.free.length - this.spare);
    for (; surplus > 0; surplus--) {
      this.disk.remove(this.free[0].name);
      this.disk.sync();
      this.free.shift();
    }
  }

  close(): void {
    this.next?.file.close();
  }

  private begin(): Next {
    const sequence = this.sequence;
    const name = nameOf(sequence);
    const old = this.free.at(0);
    if (old === undefined) {
      const file = this.disk.create(name);
      this.sequence++;
      return { sequence, file, ready: 0 };
    }
    if (old.name !== name) this.disk.rename(old.name, name);
    old.name = name;
    this.disk.sync();
    const file = this.disk.open(name);
    this.free.shift();
    this.sequence++;
    return { sequence, file, ready: file.size - (file.size % PAGE) };
  }

  private grow(next: Next, size: number): void {
    const { file } = next;
    const step = Math.min(STEP, size - next.ready);
    // Page by page: what is written in one piece, Linux may keep as one piece, and then counts all of it as written
    // whenever a page of it is.
    for (let at = 0; at < step; at += PAGE) file.write(next.ready + at, ZEROS);
    file.sync();
    // The name is durable before the first record is: a record in a file without a name would be lost.
    this.disk.sync();
    next.ready += step;
  }

  private fail(error: unknown): void {
    if (!(error instanceof TideError)) throw error;
    this.problem = error;
    const { next } = this;
    // One that is long enough for most records is kept when the room for an unusual one is missing.
    if (next === undefined || (error.code === 'disk-full' && next.ready >= this.fileBytes)) return;
    this.next = undefined;
    next.file.close();
    // A file that could not be filled only takes room that others need.
    try {
      this.disk.remove(nameOf(next.sequence));
    } catch (cause) {
      if (!(cause instanceof TideError)) throw cause;
    }
  }
}
