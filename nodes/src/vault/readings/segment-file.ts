import { isDeepStrictEqual } from 'node:util';
import { TideError } from '../../node/errors.ts';
import type { Disk, DiskFile } from '../disk.ts';
import type { Sealer } from '../keys/sealed.ts';
import { decodeChunk } from './chunk-codec.ts';
import type { ReadingColumns } from './reading-columns.ts';
import { scanChunks } from './scan.ts';
import { entryOf, numberOf, type SegmentEntry } from './segment-entry.ts';
import {
  CHUNK_HEAD_BYTES,
  HEAD_BYTES,
  NO_TAG,
  SEAL_BYTES,
  TRAILER_BYTES,
  chunkPlace,
  decodeChunkHead,
  decodeFooter,
  decodeHead,
  decodeTrailer,
  encodeTrailer,
  footerPlace,
  headPlace,
  keyOf,
  tagOf,
  type ChunkHead,
  type ChunkIndex,
  type SegmentHead,
} from './segment-format.ts';

/** What is broken beside chunks. */
export type BrokenPart = 'head' | 'footer' | 'trailer';

/** Read from the end at once: of most segments that is the whole footer. */
const TAIL_BYTES = 16 * 1024;

/** A finished segment, opened for reading. */
export class SegmentFile {
  readonly head: SegmentHead;
  readonly index: ChunkIndex;
  readonly broken: readonly BrokenPart[];
  readonly bytes: number;
  /** Of the footer; zeros when that is broken. */
  readonly tag: Uint8Array;
  private readonly file: DiskFile;
  private readonly sealer: Sealer;

  /** Throws TideError `damaged-record` when neither its head nor its footer opens. */
  static open(disk: Disk, name: string, sealer: Sealer): SegmentFile {
    const file = disk.open(name);
    try {
      return new SegmentFile(file, sealer);
    } catch (thrown) {
      file.close();
      throw thrown;
    }
  }

  private constructor(file: DiskFile, sealer: Sealer) {
    this.file = file;
    this.sealer = sealer;
    this.bytes = file.size;
    const head = readHead(file, sealer);
    const footer = readFooter(file, sealer, [head?.number ?? numberOf(file.name) ?? 0, head?.fileId]);
    const broken: BrokenPart[] = [];
    if (head === undefined) broken.push('head');
    if (footer === undefined) broken.push('footer');
    else if (!footer.trailerWhole) broken.push('trailer');
    this.broken = broken;
    if (footer !== undefined) {
      this.head = footer.head;
      this.index = footer.index;
      this.tag = footer.tag;
      return;
    }
    if (head === undefined)
      throw new TideError('damaged-record', `segment ${file.name}: neither its head nor its footer opens`);
    this.head = head;
    this.index = scanChunks(file);
    this.tag = NO_TAG;
  }

  entry(): SegmentEntry {
    return entryOf(this.head, this.file.name, this.bytes, this.tag, this.index.keys);
  }

  /** First chunk of a series, and the one after its last. */
  chunksOf(series: number): [from: number, to: number] {
    const { index } = this;
    let low = 0;
    let high = index.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (index.series[middle] < series) low = middle + 1;
      else high = middle;
    }
    let end = low;
    while (end < index.count && index.series[end] === series) end++;
    return [low, end];
  }

  /** Throws TideErrors: `damaged-record` when the chunk is not as it was written, `shredded` when its key was destroyed. */
  chunk(at: number): ReadingColumns {
    const { index, head } = this;
    const series = index.series[at];
    const sealed = this.file.read(index.offsets[at] + CHUNK_HEAD_BYTES, index.lengths[at]);
    // A flipped bit in the number of the key must not pass for a key that was destroyed.
    if (sealed.length < SEAL_BYTES || keyOf(sealed) !== index.keys[at])
      throw new TideError('damaged-record', `a chunk of series ${series}: it does not name the key of its index`);
    const plain = this.sealer.open('chunk', chunkPlace(head.number, head.fileId, this.headOf(at)), sealed);
    try {
      const columns = decodeChunk(plain, series);
      if (columns.count === index.counts[at]) return columns;
      throw new RangeError(`${columns.count} readings instead of ${index.counts[at]}`);
    } catch (cause) {
      throw new TideError('damaged-record', `a chunk of series ${series}: what it holds cannot be read`, { cause });
    }
  }

  /** Whether the chunk's head in the file says what the index says. */
  chunkHeadIsWhole(at: number): boolean {
    const bytes = Buffer.from(this.file.read(this.index.offsets[at], CHUNK_HEAD_BYTES));
    const found = decodeChunkHead(bytes, 0);
    const wanted = this.headOf(at);
    return found !== undefined && isDeepStrictEqual(found, wanted);
  }

  close(): void {
    this.file.close();
  }

  private headOf(at: number): ChunkHead {
    const { index } = this;
    return {
      index: index.indexes[at],
      series: index.series[at],
      count: index.counts[at],
      length: index.lengths[at],
      timeFrom: index.timeFrom[at],
      timeTo: index.timeTo[at],
    };
  }
}

/** The head, if its seal is whole. */
export function readHead(file: DiskFile, sealer: Sealer): SegmentHead | undefined {
  const bytes = file.read(0, HEAD_BYTES);
  const head = decodeHead(bytes);
  if (head === undefined || bytes.length < HEAD_BYTES) return undefined;
  const opened = opens(sealer, headPlace(head), bytes.subarray(HEAD_BYTES - SEAL_BYTES));
  return opened === undefined ? undefined : head;
}

interface Footer {
  head: SegmentHead;
  index: ChunkIndex;
  tag: Uint8Array;
  trailerWhole: boolean;
}

function readFooter(
  file: DiskFile,
  sealer: Sealer,
  [number, fileId]: readonly [number: number, fileId: Uint8Array | undefined],
): Footer | undefined {
  const tailBytes = Math.min(TAIL_BYTES, file.size);
  if (tailBytes < TRAILER_BYTES) return undefined;
  const tail = file.read(file.size - tailBytes, tailBytes);
  const trailer = decodeTrailer(tail.subarray(tail.length - TRAILER_BYTES));
  const end = file.size - TRAILER_BYTES;
  const begin = end - trailer.footerBytes;
  if (begin < HEAD_BYTES || trailer.footerBytes < SEAL_BYTES) return undefined;
  const inTail = begin - (file.size - tailBytes);
  const sealed =
    inTail >= 0 ? tail.subarray(inTail, tail.length - TRAILER_BYTES) : file.read(begin, trailer.footerBytes);
  for (const id of [fileId, trailer.fileId]) {
    const plain = id === undefined ? undefined : opens(sealer, footerPlace(number, id), sealed);
    if (id === undefined || plain === undefined) continue;
    const { head, index } = decodeFooter(plain);
    const written = encodeTrailer(id, sealed.length);
    const trailerWhole = written.equals(tail.subarray(tail.length - TRAILER_BYTES));
    return { head, index, tag: tagOf(sealed), trailerWhole };
  }
  return undefined;
}

function opens(sealer: Sealer, place: ReturnType<typeof headPlace>, sealed: Uint8Array): Uint8Array | undefined {
  try {
    return sealer.open('segment', place, sealed);
  } catch (thrown) {
    if (thrown instanceof TideError && thrown.code === 'damaged-record') return undefined;
    throw thrown;
  }
}
