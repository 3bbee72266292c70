import type { Disk, DiskFile, Finding } from '../disk.ts';
import type { Sealer } from '../keys/sealed.ts';
import type { Handles } from './handles.ts';
import { closedRecords, type ClosedFile } from './closed.ts';
import { openFirstPage, type FirstPage } from './first-page.ts';
import { JournalFile } from './journal-file.ts';
import { PAGE, Pages, isBlank, readOrZeros } from './pages.ts';
import { SEAL_BYTES, TAG_BYTES } from './record.ts';
import { scan, type Sighting } from './scan.ts';

/** A file that lies ready for new records: preallocated, without a record of its present life. */
export interface Spare {
  name: string;
  size: number;
}

export interface Stock {
  /** Files with records, in order of sequence. */
  files: JournalFile[];
  spares: Spare[];
  /** Files whose data key is not there. */
  closed: ClosedFile[];
  /** Above every sequence and name that is in use. */
  nextSequence: number;
  findings: Finding[];
  /** Bytes of files that are left alone: second copies. */
  idle: number;
}

const NAME = /^(\d{10})\.tide$/;
/** What the files of the log are called, by sequence. */
export const nameOf = (sequence: number): string => `${String(sequence).padStart(10, '0')}.tide`;

interface Seen {
  name: string;
  named: number;
  file: DiskFile;
  said: FirstPage | undefined;
}

/** Looks at the first page of every file, and settles which file is which when names and first pages disagree. */
export function takeStock(disk: Disk, handles: Handles, sealer: Sealer): Stock {
  const seen = disk
    .names()
    .filter((name) => NAME.test(name))
    .map((name): Seen => {
      const file = handles.get(name);
      return {
        name,
        named: Number(NAME.exec(name)![1]),
        file,
        said: openFirstPage(readOrZeros(file, 0, PAGE), sealer),
      };
    });
  const stock: Stock = { files: [], spares: [], closed: [], nextSequence: 1, findings: [], idle: 0 };
  const taken = new Map<number, JournalFile>();
  for (const one of seen) {
    stock.nextSequence = Math.max(stock.nextSequence, one.named + 1, (one.said?.sequence ?? 0) + 1);
    if (one.said?.sequence === one.named) taken.set(one.named, new JournalFile(one.file, one.said));
  }
  for (const one of seen) if (one.said?.sequence !== one.named) judge(one, seen, taken, sealer, stock);
  const inOrder = [...taken.values()].toSorted((a, b) => a.said.sequence - b.said.sequence);
  for (const [i, file] of inOrder.entries()) {
    const next = inOrder.at(i + 1);
    if (file.inferred && next !== undefined && next.said.first <= file.said.first) {
      // Its only write failed, and what it was to hold is in the next file.
      stock.spares.push({ name: file.name, size: file.file.size });
      file.file.close();
      continue;
    }
    stock.files.push(file);
    if (file.inferred) stock.findings.push(withoutFirst(file, next === undefined, sealer));
  }
  return stock;
}

/** A file whose first page does not bear the sequence in its name. */
function judge(one: Seen, seen: Seen[], taken: Map<number, JournalFile>, sealer: Sealer, stock: Stock): void {
  const { name, named, file, said } = one;
  if (said === undefined || isRecycled(one, seen)) {
    const present = taken.has(named) ? undefined : withoutFirstPage(one, sealer);
    if (present === undefined) {
      const closed = closedRecords(new Pages(file), sealer);
      if (closed === undefined) stock.spares.push({ name, size: file.size });
      else stock.closed.push({ name, size: file.size, ...closed });
      file.close();
      return;
    }
    taken.set(named, present);
    return;
  }
  const right = nameOf(said.sequence);
  if (taken.has(said.sequence)) {
    stock.idle += file.size;
    file.close();
    stock.findings.push({
      place: name,
      kind: 'duplicated',
      text: `${name} is a second copy of ${right}; it is left alone`,
    });
    return;
  }
  taken.set(said.sequence, new JournalFile(file, said));
  stock.findings.push({
    place: name,
    kind: 'reordered',
    text: `${name} was ${right} when it was written; it is used as that`,
  });
}

/**
 * The oldest file gets the name of the next one when it is recycled, and a first page of its own only with its first
 * record: between the two it still has the old one, older than that of any file that bears its own name.
 */
function isRecycled({ said }: Seen, seen: Seen[]): boolean {
  const sequence = said!.sequence;
  const proper = seen.filter((other) => other.said?.sequence === other.named);
  return (
    proper.length > 0 &&
    proper.every((other) => other.named > sequence) &&
    seen.every((other) => other.named !== sequence)
  );
}

/** A file that is known by its name and its records alone; undefined when it has none of this life. */
function withoutFirstPage({ file, named }: Seen, sealer: Sealer): JournalFile | undefined {
  const found = scan(new Pages(file), named, sealer);
  if (found.records.length === 0) return undefined;
  const { number, first, previous } = found.records[0].head;
  const keyId = keyOf(file, found.records[0]);
  const present = new JournalFile(file, { sequence: named, first: number, position: first, previous, keyId });
  present.inferred = true;
  return present;
}

/** The data key that the seal at the end of a record's head names; 0 when only the copy of the head is whole. */
function keyOf(file: DiskFile, { head, at, fromCopy }: Sighting): number {
  if (fromCopy) return 0;
  return Buffer.from(readOrZeros(file, at * PAGE + head.length - SEAL_BYTES + 1, 4)).readUInt32LE(0);
}

/**
 * The first page is written together with the first record: in the newest file that write may have been cut short, also
 * in the middle of the page, unless a second record says that it was synced.
 */
function withoutFirst({ name, file, said }: JournalFile, isNewest: boolean, sealer: Sealer): Finding {
  const page = readOrZeros(file, 0, PAGE);
  const isAlone = isNewest && scan(new Pages(file), said.sequence, sealer).records.length === 1;
  const torn = isAlone || (isNewest && (isBlank(page) || openFirstPage(page, sealer) !== undefined));
  return {
    place: `${name}, page 0`,
    kind: torn ? 'torn' : 'altered',
    text: `the first page of ${name} is ${torn ? 'missing' : 'damaged'}; its records are readable`,
  };
}

export const NO_TAG: Uint8Array = new Uint8Array(TAG_BYTES);
