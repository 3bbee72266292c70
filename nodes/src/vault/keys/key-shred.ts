import { TideError } from '../../node/errors.ts';
import type { KeyBook } from './key-book.ts';
import { MAX_SHREDDED } from './key-header.ts';
import { beginOfMonth, monthFrom, monthOfKey, monthOfTime, monthText } from './key-numbers.ts';

/** What a shred takes with it; the engine does its part between the beginning and the end. */
export interface ShredPlan {
  /** `2026-03`: all months before this one go. */
  before: string;
  /** Epoch milliseconds: readings before this time go. */
  beforeTime: number;
  /** Months that have a key now. */
  months: string[];
  /** What was journalled before lies under keys with numbers below this one; they go with `dropJournalKeys`. */
  journalBelow: number;
}

export function beginShred(book: KeyBook, before: string, secret: string): ShredPlan {
  const month = monthFrom(before);
  const present = monthOfTime(book.clock.now());
  if (month === undefined || present === undefined || month > present)
    throw new TideError(
      'bad-option',
      `"${before}" is no month before which can be shredded: a month is written 2026-03, and the latest allowed is ${present === undefined ? 'unknown, the clock is wrong' : monthText(present)}`,
    );
  if (book.header.locks.length > 1)
    throw new TideError('busy', 'a rotation of the key is under way; complete it first: tidegate key rotate');
  book.refuseOther(secret);
  const running = book.header.shredding;
  if (running === undefined || running.before < month) {
    const journal = book.nextJournal();
    const shredding = { before: month, since: running?.since ?? book.clock.now(), journal };
    book.put({ journal, shredding }, { dataKeys: book.withNew(journal) });
  }
  return pendingShred(book)!;
}

export function pendingShred(book: KeyBook): ShredPlan | undefined {
  const { shredding } = book.header;
  if (shredding === undefined) return undefined;
  return {
    before: monthText(shredding.before),
    beforeTime: beginOfMonth(shredding.before),
    months: [...new Set(book.monthsBefore(shredding.before).map((id) => monthText(monthOfKey(id))))].toSorted(),
    journalBelow: shredding.journal,
  };
}

/**
 * In one writing: the months' keys are gone, root key and salt are new. Older journal keys stay until nothing that is
 * needed lies under them.
 */
export function finishShred(book: KeyBook, plan: ShredPlan, secret: string): void {
  const { shredding } = book.header;
  if (shredding === undefined) return;
  if (monthText(shredding.before) !== plan.before)
    throw new TideError('conflict', `the shred under way is before ${monthText(shredding.before)}, not ${plan.before}`);
  book.refuseOther(secret);
  const at = book.clock.now();
  const gone = new Set(book.monthsBefore(shredding.before));
  const shredded = [...book.shredded, ...[...gone].map((id): [number, number] => [id, at])];
  const dataKeys = book.without((id) => gone.has(id));
  book.replaceRoot(secret, { shredding: undefined, shredded: new Map(shredded.slice(-MAX_SHREDDED)) }, dataKeys);
}
