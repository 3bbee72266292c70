import type { Finding } from '../disk.ts';
import type { Sealer } from '../keys/sealed.ts';
import { damageOf } from './damage.ts';
import { openFirstPage } from './first-page.ts';
import type { JournalFile } from './journal-file.ts';
import { PAGE, isBlank, readOrZeros } from './pages.ts';
import { isTrimmed, openBoxes } from './record.ts';
import type { Scan, Sighting } from './scan.ts';

/** Bytes of a first page that mean something. */
const FIRST_PAGE_BYTES = 101;

/**
 * Reads every byte of the files; they may be written, released and joined by others meanwhile. Yields undefined after
 * each record, so that the caller can go about other work.
 */
export function* verifyFiles(
  files: readonly JournalFile[],
  last: () => number,
  sealer: Sealer,
): Generator<Finding | undefined> {
  let before: { number: number; tag: Uint8Array } | undefined;
  let sequence = -1;
  for (;;) {
    const i = files.findIndex(({ said }) => said.sequence > sequence);
    if (i < 0) return;
    const file = files[i];
    sequence = file.said.sequence;
    const next = files.at(i + 1);
    // What was to be its first record is in the next file: nothing in it counts.
    if (next !== undefined && next.said.first <= file.said.first) continue;
    const newest = last();
    const found = file.scan(sealer);
    const end = next === undefined ? { number: newest + 1 } : { number: next.said.first, position: next.said.position };
    const damage = [...firstPage(file, sealer), ...damageOf(file, found, end, sealer)];
    yield* damage;
    before = yield* records(file, found, end.number, before, { sealer, isHeld: () => files.includes(file) });
  }
}

function* firstPage(file: JournalFile, sealer: Sealer): Generator<Finding> {
  const page = readOrZeros(file.file, 0, PAGE);
  if (openFirstPage(page, sealer)?.sequence !== file.said.sequence)
    yield {
      place: `${file.name}, page 0`,
      kind: 'altered',
      text: `the first page of ${file.name} is damaged; its records are readable`,
    };
  else if (!isBlank(page.subarray(FIRST_PAGE_BYTES)))
    yield {
      place: `${file.name}, page 0`,
      kind: 'altered',
      text: `something was written behind the head of ${file.name}; nothing is lost`,
    };
}

function* records(
  file: JournalFile,
  found: Scan,
  end: number,
  before: { number: number; tag: Uint8Array } | undefined,
  { sealer, isHeld }: { sealer: Sealer; isHeld: () => boolean },
): Generator<Finding | undefined, { number: number; tag: Uint8Array } | undefined> {
  let previous = before;
  if (previous === undefined || previous.number < file.said.first - 1)
    previous = { number: file.said.first - 1, tag: file.said.previous };
  for (const one of found.records) {
    const { head } = one;
    if (head.number >= end || !isHeld()) break;
    yield* contents(file, one, sealer);
    yield undefined;
    if (previous.number === head.number - 1 && !Buffer.from(previous.tag).equals(head.previous))
      yield {
        place: `${file.name}, page ${one.at}, record ${head.number}`,
        kind: 'altered',
        text: `record ${head.number} of the journal does not follow the record ${previous.number} that lies before it: one of the two was exchanged`,
      };
    previous = head;
  }
  return previous;
}

function* contents(file: JournalFile, { head, at, fromCopy }: Sighting, sealer: Sealer): Generator<Finding> {
  const bytes = file.record(head, at);
  const { number, first, count, timeFrom, timeTo } = head;
  const place = `${file.name}, page ${at}, record ${number}`;
  const trimmed = fromCopy || isTrimmed(head, bytes);
  const broken = openBoxes(head, bytes, sealer).flatMap((box, i) => (box === undefined ? [i + 1] : []));
  if (broken.length > 0) {
    const which = broken.length === 1 ? `part ${broken[0]}` : `parts ${broken.join(', ')}`;
    yield {
      place: `${place}, ${which}`,
      kind: 'altered',
      text: `${which} of ${head.boxLengths.length} of record ${number} of the journal: the seal is broken`,
      ...(count > 0 ? { positions: [first, first + count] as const, times: [timeFrom, timeTo] as const } : {}),
    };
  }
  if (!trimmed)
    yield {
      place,
      kind: 'altered',
      text: `the end of record ${number} of the journal was changed where it holds nothing of its own; nothing is lost`,
    };
}
