import type { Sealer } from '../keys/sealed.ts';
import { PAGE, type Pages } from './pages.ts';
import { headAt, headBefore, openBoxes, type PlacedHead } from './record.ts';

/** A record as it was found: `at` is the page where it lies, which is not `head.page` when somebody moved it. */
export interface Sighting {
  head: PlacedHead;
  at: number;
  /** Its first page is damaged; the head is the copy at its end. */
  fromCopy: boolean;
}

export interface Scan {
  /** Records in order of number, none twice. One that was written again counts where it was written last, if it is whole there. */
  records: Sighting[];
  /** Records that lie somewhere a second time. */
  doubles: Sighting[];
  /** Page after the last record that lies in its own place. */
  end: number;
}

/**
 * Looks through a file for the records of its present life. A page that begins no such record is passed over, so that
 * records behind a damaged one are found; stale pages of an earlier life carry another sequence.
 */
export function scan(pages: Pages, sequence: number, sealer: Sealer): Scan {
  const inPlace: Sighting[] = [];
  const strays: Sighting[] = [];
  const total = pages.count;
  let end = 1;
  let page = 1;
  while (page < total) {
    const found = lookAt(pages, page, end, sequence, sealer, strays);
    if (found === undefined) {
      page++;
      continue;
    }
    inPlace.push(found);
    end = page = found.at + found.head.pages;
  }
  const records = new Map<number, Sighting>();
  for (const one of inPlace) {
    const { number } = one.head;
    if (!records.has(number) || isWhole(pages, one, sealer)) records.set(number, one);
  }
  const doubles: Sighting[] = [];
  for (const stray of strays) {
    if (records.has(stray.head.number)) doubles.push(stray);
    else records.set(stray.head.number, stray);
  }
  return { records: [...records.values()].toSorted((a, b) => a.head.number - b.head.number), doubles, end };
}

function isWhole(pages: Pages, { head, at }: Sighting, sealer: Sealer): boolean {
  return !openBoxes(head, pages.bytes(at * PAGE, head.pages * PAGE), sealer).includes(undefined);
}

/** The record that begins at a page, or that ends there and begins at `from` or later. */
function lookAt(
  pages: Pages,
  page: number,
  from: number,
  sequence: number,
  sealer: Sealer,
  strays: Sighting[],
): Sighting | undefined {
  const head = headAt(pages, page * PAGE, sealer, sequence);
  if (head !== undefined) {
    if (head.page === page) return { head, at: page, fromCopy: false };
    strays.push({ head, at: page, fromCopy: false });
  }
  const copy = headBefore(pages, page, sealer, sequence);
  if (copy === undefined || copy.page < from || copy.page + copy.pages - 1 !== page) return undefined;
  return { head: copy, at: copy.page, fromCopy: true };
}
