import { TideError, reasonOf } from '../../node/errors.ts';
import { mayPass, type Disk, type Finding } from '../disk.ts';
import type { Sealer } from '../keys/sealed.ts';
import type { SegmentEntry } from './segment-entry.ts';
import { SegmentFile } from './segment-file.ts';
import { NO_TAG } from './segment-format.ts';
import { missing, reachOf } from './take-stock.ts';

/** Reads every byte of the segments. Yields undefined after each chunk, so that its caller may pause there. */
export function* verifySegments(
  disk: Disk,
  sealer: Sealer,
  entries: readonly SegmentEntry[],
  isShredded: (key: number) => boolean,
): Generator<Finding | undefined> {
  const names = new Set(disk.names());
  for (const [i, entry] of entries.entries()) {
    if (!names.has(entry.file)) {
      yield missing(entry);
      continue;
    }
    let file: SegmentFile;
    try {
      file = SegmentFile.open(disk, entry.file, sealer);
    } catch (thrown) {
      if (!(thrown instanceof TideError) || mayPass(thrown)) throw thrown;
      yield { place: `segment ${entry.number}`, kind: 'altered', text: reasonOf(thrown), ...reachOf(entry) };
      continue;
    }
    try {
      yield* wholeFile(file, entry, entries[i - 1]);
      yield* chunks(file, isShredded);
    } finally {
      file.close();
    }
  }
}

function* wholeFile(file: SegmentFile, entry: SegmentEntry, before: SegmentEntry | undefined): Generator<Finding> {
  const place = `segment ${entry.number}`;
  const finding = (kind: Finding['kind'], text: string): Finding => ({ place, kind, text, ...reachOf(entry) });
  if (file.head.number !== entry.number)
    yield finding('reordered', `its file ${entry.file} is that of segment ${file.head.number}`);
  else if (differ(file.tag, entry.tag)) yield finding('rolled-back', 'it is not the segment that the catalogue knows');
  for (const part of file.broken) yield finding('altered', `its ${part} is broken; no reading is lost by that`);
  if (file.bytes !== entry.bytes) yield finding('altered', `it has ${file.bytes} bytes instead of ${entry.bytes}`);
  if (before?.number === entry.number - 1 && differ(before.tag, file.head.previousTag))
    yield finding('rolled-back', `it does not follow segment ${before.number} as that is now`);
}

const differ = (tag: Uint8Array, other: Uint8Array): boolean =>
  Buffer.compare(tag, other) !== 0 && Buffer.compare(tag, NO_TAG) !== 0 && Buffer.compare(other, NO_TAG) !== 0;

function* chunks(file: SegmentFile, isShredded: (key: number) => boolean): Generator<Finding | undefined> {
  const { index, head } = file;
  let readings = 0;
  for (let at = 0; at < index.count; at++) {
    readings += index.counts[at];
    const finding = (text: string): Finding => ({
      place: `segment ${head.number}, series ${index.series[at]}`,
      kind: 'altered',
      text,
      times: [index.timeFrom[at], index.timeTo[at]],
    });
    if (!file.chunkHeadIsWhole(at)) yield finding('the head of a chunk is broken; no reading is lost by that');
    if (!isShredded(index.keys[at])) {
      try {
        file.chunk(at);
      } catch (thrown) {
        if (!(thrown instanceof TideError) || mayPass(thrown)) throw thrown;
        if (thrown.code !== 'shredded') yield finding(`${index.counts[at]} readings are lost: ${reasonOf(thrown)}`);
      }
    }
    yield undefined;
  }
  if (readings === head.readings) return;
  yield {
    place: `segment ${head.number}`,
    kind: 'removed',
    text: `${head.readings - readings} readings of ${head.readings} are not found in it`,
    positions: [head.positionFrom, head.positionTo],
    times: [head.timeFrom, head.timeTo],
  };
}
