import type { Finding } from '../disk.ts';
import { useOf } from '../keys/key-numbers.ts';
import type { Sealer } from '../keys/sealed.ts';
import type { Pages } from './pages.ts';
import { clearHeadAt, type ClearHead } from './record.ts';

/** A file of which nothing opens since its data key is not there (any more): what its heads say in clear. */
export interface ClosedFile {
  name: string;
  size: number;
  keyId: number;
  /** In order of number. */
  records: ClearHead[];
}

/** Above this nothing is believed that no seal vouches for: numbers have to go on behind it. */
const MOST = 2 ** 48;

/**
 * Looks through a file in which no record opens for those under a journal key that is not there. Believed is a record whose
 * head and its copy are the same to the byte, so that damage does not pass for one.
 */
export function closedRecords(pages: Pages, sealer: Sealer): Pick<ClosedFile, 'keyId' | 'records'> | undefined {
  const records: ClearHead[] = [];
  for (let page = 1; page < pages.count; page++) {
    const head = clearHeadAt(pages, page);
    if (head === undefined || useOf(head.keyId) !== 'journal' || sealer.hasKey(head.keyId)) continue;
    // The newest one was written again behind itself after an unclean end.
    if (records.at(-1)?.number === head.number) records.pop();
    const before = records.at(-1);
    const follows = before === undefined || (head.number > before.number && head.first >= before.first + before.count);
    // What lies behind the newest record is of an earlier life of the file.
    if (!follows || (before !== undefined && head.keyId !== before.keyId)) break;
    if (isBelievable(head)) records.push(head);
    page += head.pages - 1;
  }
  return records.length === 0 ? undefined : { keyId: records[0].keyId, records };
}

function isBelievable({ number, first, count, timeFrom, timeTo }: ClearHead): boolean {
  const numbers = [number, first, count, first + count];
  return (
    numbers.every((value) => Number.isInteger(value) && value >= 0 && value < MOST) &&
    Number.isFinite(timeFrom) &&
    Number.isFinite(timeTo)
  );
}

/** What is needed of a closed file, in words. `present`: the data key that seals what is journalled now. */
export function closedFinding({ name, keyId, records }: ClosedFile, present: number): Finding {
  const [from, to] = [records[0], records.at(-1)!];
  const which = from === to ? `record ${from.number}` : `records ${from.number} to ${to.number}`;
  const lie = from === to ? 'lies' : 'lie';
  const why =
    keyId < present
      ? 'that was destroyed: the journal is older than the key header'
      : 'that the key header does not have: the key header is older than the journal';
  const read = records.filter(({ count }) => count > 0);
  return {
    place: name,
    kind: 'rolled-back',
    text: `${which} of the journal ${lie} under a journal key ${why}`,
    ...(read.length > 0 && { positions: [read[0].first, read.at(-1)!.first + read.at(-1)!.count] as const }),
  };
}
