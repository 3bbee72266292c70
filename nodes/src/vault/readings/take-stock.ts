import { reasonOf, TideError } from '../../node/errors.ts';
import { mayPass, type Disk, type Finding } from '../disk.ts';
import type { Sealer } from '../keys/sealed.ts';
import { isUnfinished, numberOf, type SegmentEntry } from './segment-entry.ts';
import { SegmentFile, readHead } from './segment-file.ts';

/** Segments as they are on the disk, by number, against those that the catalogue knows. */
export function takeStock(
  disk: Disk,
  sealer: Sealer,
  known: readonly SegmentEntry[] | undefined,
): { entries: SegmentEntry[]; findings: Finding[] } {
  const findings: Finding[] = [];
  const expected = new Map((known ?? []).map((entry) => [entry.number, entry]));
  const found = new Map<number, SegmentEntry>();
  const strays: SegmentEntry[] = [];
  for (const name of disk.names()) {
    if (isUnfinished(name)) disk.remove(name);
    const number = numberOf(name);
    if (number === undefined) continue;
    const entry = stockOf(disk, sealer, name, expected.get(number), findings);
    if (entry === undefined) continue;
    if (entry.number === number) found.set(number, entry);
    else strays.push(entry);
  }
  for (const entry of strays) {
    const twin = found.get(entry.number);
    const place = `segment file ${entry.file}`;
    const [kind, text] =
      twin === undefined
        ? (['reordered', `it is segment ${entry.number} under another name; it is read as that`] as const)
        : (['duplicated', `it is a copy of segment ${entry.number}; it is not read`] as const);
    findings.push({ place, kind, text, ...reachOf(entry) });
    if (twin === undefined) found.set(entry.number, entry);
  }
  for (const entry of expected.values()) if (!found.has(entry.number)) findings.push(missing(entry));
  const entries = [...found.values()].toSorted((a, b) => a.number - b.number);
  if (known === undefined) findings.push(...gapsOf(entries));
  return { entries, findings };
}

export const reachOf = (entry: SegmentEntry): Pick<Finding, 'positions' | 'times'> => ({
  positions: [entry.positionFrom, entry.positionTo],
  times: [entry.timeFrom, entry.timeTo],
});

export const missing = (entry: SegmentEntry): Finding => ({
  place: `segment ${entry.number}`,
  kind: 'removed',
  text: `its file ${entry.file} with ${entry.readings} readings is not there`,
  ...reachOf(entry),
});

/** What a file holds. The catalogue is believed where name, size and head agree with it, without reading more. */
function stockOf(
  disk: Disk,
  sealer: Sealer,
  name: string,
  expected: SegmentEntry | undefined,
  findings: Finding[],
): SegmentEntry | undefined {
  try {
    if (expected !== undefined && agrees(disk, sealer, name, expected)) return { ...expected, file: name };
    const file = SegmentFile.open(disk, name, sealer);
    file.close();
    const entry = file.entry();
    if (file.broken.length > 0 || (expected?.number === entry.number && expected.bytes !== entry.bytes))
      findings.push(
        altered(entry, `${file.broken.join(', ') || 'size'} of ${name} is not as it was written; what opens is read`),
      );
    // A broken footer says nothing of what was in it; the catalogue does.
    return expected?.number === entry.number ? { ...expected, file: name, bytes: entry.bytes } : entry;
  } catch (thrown) {
    if (!(thrown instanceof TideError) || mayPass(thrown)) throw thrown;
    const place = `segment file ${name}`;
    findings.push({ place, kind: 'altered', text: reasonOf(thrown), ...(expected && reachOf(expected)) });
    // It stays in the list: what is lost with it is known, and it may be the disk that failed.
    return expected;
  }
}

function agrees(disk: Disk, sealer: Sealer, name: string, expected: SegmentEntry): boolean {
  const file = disk.open(name);
  try {
    return file.size === expected.bytes && readHead(file, sealer)?.number === expected.number;
  } finally {
    file.close();
  }
}

const altered = (entry: SegmentEntry, text: string): Finding => ({
  place: `segment ${entry.number}`,
  kind: 'altered',
  text,
  ...reachOf(entry),
});

/** Without the catalogue, what is missing between segments shows in their numbers. */
function* gapsOf(entries: readonly SegmentEntry[]): Generator<Finding> {
  for (const [i, entry] of entries.entries()) {
    const before = entries[i - 1];
    if (before === undefined || entry.number === before.number + 1) continue;
    yield {
      place: `segments ${before.number + 1} to ${entry.number - 1}`,
      kind: 'removed',
      text: 'they are not there; they may have been shredded',
      positions: [before.positionTo, entry.positionFrom],
    };
  }
}
