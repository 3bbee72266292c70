import type { Finding } from '../disk.ts';
import type { Sealer } from '../keys/sealed.ts';
import type { JournalFile } from './journal-file.ts';
import { PAGE, Pages, isBlank } from './pages.ts';
import { headAt, type PlacedHead } from './record.ts';
import type { Scan, Sighting } from './scan.ts';

/** Where the next file, or what is known otherwise, says that a file ends. */
export interface End {
  number: number;
  position?: number;
}

/**
 * What a look through a file shows to be missing, moved, doubled or mended. `to`: absent for the newest file; `unsure`:
 * number of a record whose write may have been cut short.
 */
export function* damageOf(
  file: JournalFile,
  found: Scan,
  to: End | undefined,
  sealer: Sealer,
  unsure?: number,
): Generator<Finding> {
  let { first: number, position } = file.said;
  let page = 1;
  for (const one of found.records) {
    const { head, at } = one;
    if (to !== undefined && head.number >= to.number) break;
    if (head.number > number)
      yield missing(file, sealer, { page, until: at }, [number, head.number], [position, head.first]);
    if (at !== head.page) yield moved(file, one);
    else if (one.fromCopy) yield mended(file, head, head.number === unsure);
    if (at === head.page) page = at + head.pages;
    number = head.number + 1;
    position = head.first + head.count;
  }
  if (to !== undefined && number < to.number)
    yield missing(file, sealer, { page, until: page + 1 }, [number, to.number], [position, to.position ?? position]);
  for (const { head, at } of found.doubles)
    yield {
      place: `${file.name}, page ${at}`,
      kind: 'duplicated',
      text: `record ${head.number} of the journal lies here a second time; the one in its own place counts`,
    };
}

type Span = readonly [from: number, to: number];

/** Records that ought to lie between two pages. */
function missing(
  file: JournalFile,
  sealer: Sealer,
  pages: { page: number; until: number },
  [from, to]: Span,
  positions: Span,
): Finding {
  const which = to - from === 1 ? `record ${from}` : `records ${from} to ${to - 1}`;
  const { kind, how } = nature(new Pages(file.file), pages.page, pages.until, sealer);
  return {
    place: `${file.name}, page ${pages.page}, ${which}`,
    kind,
    text: `${which} of the journal cannot be read: ${how}`,
    ...(positions[1] > positions[0] ? { positions } : {}),
  };
}

/** What lies where records are missing says what became of them. */
function nature(pages: Pages, from: number, until: number, sealer: Sealer): { kind: Finding['kind']; how: string } {
  let blank = true;
  for (let page = from; page < Math.min(until, pages.count); page++) {
    if (blank && !isBlank(pages.bytes(page * PAGE, PAGE))) blank = false;
    const head = headAt(pages, page * PAGE, sealer);
    if (head !== undefined && head.page !== page)
      return { kind: 'reordered', how: `record ${head.number} from page ${head.page} was put in its place` };
    if (head !== undefined)
      return { kind: 'rolled-back', how: `record ${head.number} from an earlier life of the file lies in its place` };
  }
  if (from >= until || blank) return { kind: 'removed', how: 'nothing lies in its place' };
  return { kind: 'altered', how: 'the seal of its head is broken' };
}

function moved(file: JournalFile, { head, at }: Sighting): Finding {
  return {
    place: `${file.name}, page ${at}, record ${head.number}`,
    kind: 'reordered',
    text: `record ${head.number} of the journal lies at page ${at}; it was written at page ${head.page} and is still readable`,
  };
}

function mended(file: JournalFile, head: PlacedHead, torn: boolean): Finding {
  return {
    place: `${file.name}, page ${head.page}, record ${head.number}`,
    kind: torn ? 'torn' : 'altered',
    text: `the head of record ${head.number} of the journal is ${torn ? 'missing' : 'damaged'}; the copy at its end is used, its other parts are as they were`,
  };
}
