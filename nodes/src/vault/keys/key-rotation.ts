import { TideError } from '../../node/errors.ts';
import { headerOn } from './file-header.ts';
import type { KeyBook } from './key-book.ts';
import { HEADER_FILE, parseHeader } from './key-header.ts';
import { monthText } from './key-numbers.ts';
import { fits, makeLock, openHeader } from './keys.ts';

/**
 * A rotation has two steps, because the reference to the secret lies elsewhere and cannot change in the same moment:
 * between them both secrets open the vault, so that a crash anywhere leaves one that fits the reference.
 */
export function prepareRotation(book: KeyBook, newSecret: string): 'prepared' | 'done' {
  const { shredding, locks, store } = book.header;
  if (shredding !== undefined)
    throw new TideError(
      'busy',
      `the key cannot rotate while months before ${monthText(shredding.before)} are being shredded; start the gateway to complete that`,
    );
  const [present] = locks;
  if (fits(present, newSecret, store)) {
    book.replaceRoot(newSecret);
    return 'done';
  }
  const next = makeLock(newSecret, book.keys.root, store, book.clock.now());
  book.put({}, { locks: [present, next] });
  return 'prepared';
}

export function confirmRotation(book: KeyBook, newSecret: string): void {
  const onDisk = parseHeader(headerOn(book.disk) ?? '', HEADER_FILE);
  const { lock, altered, root } = openHeader(onDisk, newSecret);
  root.fill(0);
  if (altered.length > 0) throw new TideError('damaged', altered.join('; '));
  if (onDisk.locks.length === 1) return;
  if (lock !== 1) throw new TideError('wrong-key', 'this key is the old one; the rotation waits for the new one');
  book.replaceRoot(newSecret);
}

export function cancelRotation(book: KeyBook): void {
  const { locks } = book.header;
  if (locks.length > 1) book.put({}, { locks: locks.slice(0, 1) });
}
