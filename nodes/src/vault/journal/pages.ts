import { BadBlock, type DiskFile } from '../disk.ts';

/** What a file system and most cards write at once: a record begins on a page and shares none with another. */
export const PAGE = 4_096;
/** Read ahead while a file is looked through. */
const WINDOW = 64 * 1024;

/** Bytes of a file by offset; what cannot be read (a bad block, the end of the file) reads as zeros. */
export class Pages {
  private readonly file: DiskFile;
  private readonly ahead: number;
  private window: Uint8Array = new Uint8Array(0);
  private from = 0;

  /** `ahead`: bytes that are read at once. */
  constructor(file: DiskFile, ahead = WINDOW) {
    this.file = file;
    this.ahead = ahead;
  }

  /** Whole pages of the file. */
  get count(): number {
    return Math.floor(this.file.size / PAGE);
  }

  /** A view that holds until the next call. */
  bytes(offset: number, length: number): Uint8Array {
    if (offset < this.from || offset + length > this.from + this.window.length) {
      this.from = offset;
      this.window = readOrZeros(this.file, offset, Math.max(length, this.ahead));
    }
    return this.window.subarray(offset - this.from, offset - this.from + length);
  }
}

/**
 * A block that the disk cannot read any more must not cost its neighbours: they are read one by one, and each of them a
 * second time, since a bus that was reset fails once. Throws what is no bad block: nothing may count as damaged then.
 */
export function readOrZeros(file: DiskFile, offset: number, length: number): Uint8Array {
  const out = Buffer.alloc(length);
  const fill = (from: number, to: number): boolean => {
    try {
      out.set(file.read(offset + from, to - from), from);
      return true;
    } catch (error) {
      if (error instanceof BadBlock) return false;
      throw error;
    }
  };
  if (fill(0, length)) return out;
  for (let at = 0; at < length; at += PAGE) {
    const end = Math.min(length, at + PAGE);
    if (!fill(at, end)) fill(at, end);
  }
  return out;
}

export function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
