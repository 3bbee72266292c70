import type { DiskFile } from '../disk.ts';
import type { Sealer } from '../keys/sealed.ts';
import type { FirstPage } from './first-page.ts';
import { PAGE, Pages, readOrZeros } from './pages.ts';
import { headAt, headBefore, openBoxes, type OpenedRecord, type PlacedHead } from './record.ts';
import { scan, type Scan } from './scan.ts';

/** One file of the journal and where its records lie; a file that is not written any more is looked through when it is first read. */
export class JournalFile {
  readonly name: string;
  readonly file: DiskFile;
  readonly said: FirstPage;
  /** The first page is damaged; what it said was made out from the records. */
  inferred = false;
  /** Page for the next record. */
  end = 1;
  /** Columns, a row for each record, in order of number. */
  private readonly numbers: number[] = [];
  private readonly places: number[] = [];
  private readonly firsts: number[] = [];
  private readonly counts: number[] = [];
  private readonly columns = [this.numbers, this.places, this.firsts, this.counts];
  private indexed = false;

  constructor(file: DiskFile, said: FirstPage) {
    this.name = file.name;
    this.file = file;
    this.said = said;
  }

  get isIndexed(): boolean {
    return this.indexed;
  }

  get isEmpty(): boolean {
    return this.numbers.length === 0;
  }

  /** Takes the records below `until` from a look through the file. */
  index(found: Scan, until: number): void {
    for (const column of this.columns) column.length = 0;
    for (const { head, at } of found.records)
      if (head.number < until) this.add(head.number, at, head.first, head.count);
    this.end = found.end;
    this.indexed = true;
  }

  scan(sealer: Sealer): Scan {
    return scan(new Pages(this.file), this.said.sequence, sealer);
  }

  /** A new file has nothing to be looked through for. */
  begin(): void {
    this.indexed = true;
  }

  /** One that is there already was written again: it counts where it is now. */
  add(number: number, page: number, first: number, count: number): void {
    if (this.numbers.at(-1) === number) for (const column of this.columns) column.pop();
    this.numbers.push(number);
    this.places.push(page);
    this.firsts.push(first);
    this.counts.push(count);
  }

  /** Number of the record that holds a position, else of the next one after it in this file. */
  find(position: number): number | undefined {
    const after = upperBound(this.firsts, position);
    if (after > 0 && position < this.firsts[after - 1] + this.counts[after - 1]) return this.numbers[after - 1];
    return this.numbers[after];
  }

  head(number: number, sealer: Sealer): PlacedHead | undefined {
    const page = this.place(number);
    if (page === undefined) return undefined;
    const pages = new Pages(this.file, PAGE);
    const head = headAt(pages, page * PAGE, sealer, this.said.sequence);
    if (head?.number === number) return head;
    for (let last = page; last < pages.count; last++) {
      const copy = headBefore(pages, last, sealer, this.said.sequence);
      if (copy?.number === number) return copy;
    }
    return undefined;
  }

  read(number: number, sealer: Sealer): OpenedRecord | undefined {
    const head = this.head(number, sealer);
    if (head === undefined) return undefined;
    const boxes = openBoxes(head, this.record(head, this.place(number)!), sealer);
    const { first, count, timeFrom, timeTo, boot, monotonic, wall } = head;
    return { number, first, count, timeFrom, timeTo, boot, monotonic, wall, boxes };
  }

  /** All bytes of a record that lies at a page. */
  record(head: PlacedHead, page: number): Uint8Array {
    return readOrZeros(this.file, page * PAGE, head.pages * PAGE);
  }

  private place(number: number): number | undefined {
    const row = upperBound(this.numbers, number) - 1;
    return row >= 0 && this.numbers[row] === number ? this.places[row] : undefined;
  }
}

/** How many of the values are not above `value`. */
function upperBound(values: readonly number[], value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
