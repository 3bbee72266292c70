import { TideError } from '../../node/errors.ts';
import { mayPass, type Disk } from '../disk.ts';
import type { Sealer } from '../keys/sealed.ts';
import type { ReadingColumns } from './reading-columns.ts';
import type { SegmentEntry } from './segment-entry.ts';
import { SegmentFile } from './segment-file.ts';
import { indexBytes } from './segment-format.ts';

/** Memory of the indexes that are kept, bytes. */
const KEPT_BYTES = 8 * 1024 * 1024;
/** Each of them holds a descriptor. */
const KEPT_FILES = 64;

/** Opened segments, the ones used last, and the chunk that was opened last. */
export class SegmentCache {
  private readonly disk: Disk;
  private readonly sealer: Sealer;
  private readonly files = new Map<number, SegmentFile>();
  private bytes = 0;
  private lastChunk: { number: number; at: number; columns: ReadingColumns } | undefined;

  constructor(disk: Disk, sealer: Sealer) {
    this.disk = disk;
    this.sealer = sealer;
  }

  /** Throws TideErrors: `damaged-record`, `missing` for a file that is not there, or what the disk says. */
  file({ number, file }: SegmentEntry): SegmentFile {
    const known = this.files.get(number);
    if (known !== undefined) {
      this.files.delete(number);
      this.files.set(number, known);
      return known;
    }
    const opened = this.open(file);
    this.files.set(number, opened);
    this.bytes += indexBytes(opened.index);
    for (const oldest of this.files.keys()) {
      if (oldest === number || (this.bytes <= KEPT_BYTES && this.files.size <= KEPT_FILES)) break;
      this.drop(oldest);
    }
    return opened;
  }

  private open(name: string): SegmentFile {
    try {
      return SegmentFile.open(this.disk, name, this.sealer);
    } catch (thrown) {
      if (!mayPass(thrown) || this.disk.names().includes(name)) throw thrown;
      throw new TideError('missing', `segment file ${name} is not there`, { cause: thrown });
    }
  }

  chunk(entry: SegmentEntry, at: number): ReadingColumns {
    const { lastChunk } = this;
    if (lastChunk?.number === entry.number && lastChunk.at === at) return lastChunk.columns;
    const columns = this.file(entry).chunk(at);
    this.lastChunk = { number: entry.number, at, columns };
    return columns;
  }

  drop(number: number): void {
    if (this.lastChunk?.number === number) this.lastChunk = undefined;
    const file = this.files.get(number);
    if (file === undefined) return;
    this.files.delete(number);
    this.bytes -= indexBytes(file.index);
    file.close();
  }

  close(): void {
    for (const number of this.files.keys()) this.drop(number);
  }
}
