import type { Clock } from '../../node/clock.ts';
import { TideError } from '../../node/errors.ts';
import type { Disk, Finding } from '../disk.ts';
import { chooseKeys } from './choose-keys.ts';
import { NEW_HEADER_FILE, headerOn, putHeader } from './file-header.ts';
import { KeyBook } from './key-book.ts';
import { HEADER_FILE, headerText, parseHeader } from './key-header.ts';
import { monthOfTime, useOf } from './key-numbers.ts';
import type { KeyRing } from './key-ring.ts';
import { cancelRotation, confirmRotation, prepareRotation } from './key-rotation.ts';
import { beginShred, finishShred, pendingShred, type ShredPlan } from './key-shred.ts';
import { type KeyStatus, keyStatusOf } from './key-status.ts';
import { freshKeys, openHeader, type OpenKeys } from './keys.ts';
import { keyForMonth } from './month-keys.ts';

export interface KeyStoreOptions {
  /** The vault's directory. */
  disk: Disk;
  clock: Clock;
  secret: string;
  /** Text of the header's copy in the catalogue; asked for only when the file does not open. */
  copy?: () => string | undefined;
}

/**
 * The vault's data keys and `vault.keys`, where they lie wrapped. A key is on the disk before it seals anything, and after
 * a crash at any point the old header stands or the new one. Synchronous: it runs in the writer's thread. A method that
 * throws `disk-full` or `io` has changed nothing that this process uses, and may be called again.
 */
export class KeyStore {
  /** 16 bytes, for the Sealer. */
  readonly storeId: Buffer;
  /** What was found wrong with the header. */
  readonly findings: Finding[];
  private readonly book: KeyBook;

  private constructor({ disk, clock }: KeyStoreOptions, keys: OpenKeys, findings: Finding[], highest: number) {
    this.book = new KeyBook(disk, clock, keys, highest);
    this.findings = findings;
    this.storeId = Buffer.from(keys.header.store, 'base64');
  }

  /** Makes and writes the keys of a new vault. Replaces a header that is there: the caller has set it aside. */
  static create(options: KeyStoreOptions): KeyStore {
    const keys = freshKeys(options.secret, options.clock.now());
    putHeader(options.disk, keys.header);
    return new KeyStore(options, keys, [], 1);
  }

  /**
   * Opens the keys and writes nothing. Undefined when there is neither a header nor a copy. Throws TideError `wrong-key`,
   * `damaged` (neither the header nor the copy can be used), `newer-format`, `older-format`, `io`.
   */
  static open(options: KeyStoreOptions): KeyStore | undefined {
    const text = (): string | undefined => headerOn(options.disk);
    const chosen = chooseKeys(text, options.copy ?? (() => undefined), options.secret);
    return chosen && new KeyStore(options, chosen.keys, chosen.findings, chosen.highest);
  }

  get ring(): KeyRing {
    return this.book.ring;
  }

  /** Raised by each writing. */
  get generation(): number {
    return this.book.header.generation;
  }

  /** The header as text, to be kept in the catalogue: it reveals what the file reveals. */
  get text(): string {
    return headerText(this.book.header);
  }

  /**
   * Completes what a crash left: a rotation that the new secret has opened, a header that was damaged. Call once the vault
   * is claimed, before anything is sealed.
   */
  settle(secret: string): void {
    const { book } = this;
    book.disk.remove(NEW_HEADER_FILE);
    const { header, lock, dataKeys } = book.keys;
    if (!dataKeys.has(header.journal)) this.renewJournalKey();
    if (header.locks.length > 1 && lock === 1) book.replaceRoot(secret);
    else if (this.findings.length > 0) book.put({});
  }

  /**
   * Compares with the copy in the catalogue. A newer one wins, since the file is then an older one that was put back. True
   * when the catalogue's copy has to be written anew from `text`.
   */
  reconcile(copy: string | undefined, secret: string): boolean {
    const newer = copy === undefined ? undefined : this.newer(copy, secret);
    if (newer === undefined) return copy !== this.text;
    const { generation } = newer.header;
    this.findings.push({
      place: HEADER_FILE,
      kind: 'rolled-back',
      text: `an older ${HEADER_FILE} (number ${this.generation}) was put back; the newer copy in the catalogue (number ${generation}) took its place`,
    });
    this.book.adopt(newer);
    this.settle(secret);
    return true;
  }

  /**
   * Number of the data key for readings of a time (epoch milliseconds), made durably when it is new. A time outside 1970 to
   * 2199, and any new month once there are too many, goes to the month of the writing clock.
   */
  monthKey(time: number): number {
    const { book } = this;
    const month = monthOfTime(time);
    const known = month === undefined ? undefined : book.months.get(month);
    if (known !== undefined) return known;
    const id = keyForMonth(month, monthOfTime(book.clock.now()), book.months, book.shredded);
    if (!book.keys.dataKeys.has(id)) book.put({}, { dataKeys: book.withNew(id) });
    return id;
  }

  /** A new journal key becomes the current one; returns its number. */
  renewJournalKey(): number {
    const journal = this.book.nextJournal();
    this.book.put({ journal }, { dataKeys: this.book.withNew(journal) });
    return journal;
  }

  /** Destroys the journal keys with numbers below this one, but never the current one: call with the oldest that is needed. */
  dropJournalKeys(below: number): void {
    const { book } = this;
    const dataKeys = book.without((id) => useOf(id) === 'journal' && id < below && id !== book.header.journal);
    if (dataKeys.size < book.keys.dataKeys.size) book.put({}, { dataKeys });
  }

  /**
   * First step of a rotation: from here on both secrets open the vault, until `confirmRotation`. With the secret that the
   * vault has already, the lock is made anew at once (fresh salt, today's parameters): `done`, nothing to confirm. Throws
   * TideError `busy` during a shred.
   */
  prepareRotation(newSecret: string): 'prepared' | 'done' {
    return prepareRotation(this.book, newSecret);
  }

  /**
   * Second step: what lies on the disk is opened with the new secret, then the old one is shut out. The root key is renewed
   * with it, so that the old secret and an old copy of the header do not open keys that are made from now on.
   */
  confirmRotation(newSecret: string): void {
    confirmRotation(this.book, newSecret);
  }

  /** Takes a prepared rotation back: the old secret alone opens the vault. */
  cancelRotation(): void {
    cancelRotation(this.book);
  }

  /** Both steps at once, for a caller that keeps no reference to the secret elsewhere. */
  rotate(newSecret: string): void {
    if (this.prepareRotation(newSecret) === 'prepared') this.confirmRotation(newSecret);
  }

  /**
   * Notes that all months before one (`2026-03`) are to go, and renews the journal key. Until `finishShred` their keys are
   * still there, and what is sealed for them meanwhile goes with them. `secret` is the present one: `finishShred` needs it.
   * Throws TideError `bad-option`, `busy` (a rotation is under way), `wrong-key`.
   */
  beginShred(before: string, secret: string): ShredPlan {
    return beginShred(this.book, before, secret);
  }

  /** A shred that began and has not ended, to be carried on with at a start. */
  pendingShred(): ShredPlan | undefined {
    return pendingShred(this.book);
  }

  /**
   * Destroys the months' keys. Call when nothing that is needed lies under them and the catalogue holds no copy of the
   * header; afterwards write the new copy. Journal keys go with `dropJournalKeys`, once the journal has let go of what lies
   * under them. Without an effect when no shred is under way.
   */
  finishShred(plan: ShredPlan, secret: string): void {
    finishShred(this.book, plan, secret);
  }

  /** What may be shown to anybody: never a key. */
  list(): KeyStatus {
    return keyStatusOf(this.book.header);
  }

  /** Overwrites the keys in memory. */
  close(): void {
    this.book.forget();
  }

  private newer(copy: string, secret: string): OpenKeys | undefined {
    try {
      const header = parseHeader(copy, 'copy of the key header');
      if (header.store !== this.book.header.store || header.generation <= this.generation) return undefined;
      const keys = openHeader(header, secret);
      return keys.altered.length === 0 ? keys : undefined;
    } catch (error) {
      // A copy that does not open is no reason not to go on with the file, which does; it is written anew.
      if (error instanceof TideError) return undefined;
      throw error;
    }
  }
}
