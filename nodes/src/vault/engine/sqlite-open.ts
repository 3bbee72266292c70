import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import type { Clock } from '../../node/clock.ts';
import { TideError } from '../../node/errors.ts';
import { bootId } from '../../node/file-clock.ts';
import { Catalogue, type CatalogueKeys } from '../catalogue/sqlite-catalogue.ts';
import type { Owner } from '../catalogue/sqlite-owner.ts';
import { DATABASE_FILE, metaOf, type Sqlite } from '../catalogue/sqlite-schema.ts';
import { doomedRows } from '../catalogue/sqlite-shred.ts';
import { snapshotRecord } from '../catalogue/sqlite-snapshot.ts';
import { QUOTA_FOUND, type BudgetOptions } from '../budget/budget-options.ts';
import { sharesOf } from '../budget/shares.ts';
import { encodeCbor } from '../cbor.ts';
import type { Disk, Finding } from '../disk.ts';
import { checkPlace } from '../keys/file-place.ts';
import { FileDisk } from '../file-disk.ts';
import { JournalLog } from '../journal/journal-log.ts';
import { isMonthBefore } from '../keys/key-numbers.ts';
import { KeyStore } from '../keys/file-key-store.ts';
import { Sealer } from '../keys/sealed.ts';
import { ReadingStore, type SegmentEntry } from '../readings/reading-store.ts';
import { fileOf } from '../readings/segment-entry.ts';
import type { VaultSizes } from '../vault.ts';
import { BlockFiles } from './block-files.ts';
import { effectBoxes } from './boxes.ts';
import { CatchUp } from './catch-up.ts';
import type { Effect } from './effects.ts';
import { shredLosses } from './shred-losses.ts';
import { settledBudget, type SettledBudget } from './file-room.ts';
import { GapLedger } from './gap-ledger.ts';
import { ReceiptKeeper } from './receipt-keeper.ts';
import { recallReceipts, redoInto } from './redo.ts';

export interface OpenOptions {
  /** Real path; exists. */
  directory: string;
  secret: string;
  clock: Clock;
  budget: BudgetOptions;
  sizes?: VaultSizes | undefined;
  /** Takes the vault for this process; throws TideError `owned`. */
  claim(): Owner;
}

/** Bytes handed to the disk since the vault was opened, by what they were for. */
export interface Written {
  journal: number;
  segments: number;
  catalogue: number;
  /** Readings that they are for. */
  readings: number;
}

/** Readings that turned out broken. `place` says where they lie, so that they are declared once. */
export interface LostReadings {
  place: string;
  readings: number;
  /** From inclusive, to exclusive. */
  positions?: readonly [from: number, to: number];
  times?: readonly [from: number, to: number];
  /** Number of the series, when it is one. */
  series?: number;
}

/** Opens everything below a vault's directory, in the order in which one thing vouches for the next. */
export function openParts(options: OpenOptions): Parts {
  const { directory, secret, clock } = options;
  const disk = new FileDisk(directory);
  const copy = (): string | undefined => headerCopy(directory);
  // Before the vault is claimed: with a wrong key not one byte changes.
  let keys = tryKeys(() => KeyStore.open({ disk, clock, secret, copy }));
  const owner = options.claim();
  try {
    const problems: string[] = [];
    if (keys === undefined) {
      const aside = setAside(directory);
      if (aside !== undefined)
        problems.push(`neither vault.keys nor its copy can be read; what was there lies in ${aside}`);
      keys = KeyStore.create({ disk, clock, secret });
    }
    keys.settle(secret);
    return new Parts(options, owner, disk, keys, problems);
  } catch (error) {
    owner.release();
    throw error;
  }
}

/** The parts of an open vault. */
export class Parts {
  readonly directory: string;
  readonly databaseFile: string;
  readonly owner: Owner;
  readonly keys: KeyStore;
  readonly store: CatalogueKeys;
  readonly catalogue: Catalogue;
  readonly log: JournalLog;
  readonly readings: ReadingStore;
  readonly receipts = new ReceiptKeeper();
  readonly blockFiles: BlockFiles;
  /** Where snapshots of the catalogue lie. */
  readonly state: Disk;
  readonly catchUp: CatchUp;
  readonly problems: string[];
  readonly budget: SettledBudget;
  readonly ledger: GapLedger;
  /** Readings that were found broken and are not declared yet. */
  readonly lost: LostReadings[] = [];
  readonly disk: Disk;
  readonly written: Written = { journal: 0, segments: 0, catalogue: 0, readings: 0 };
  incarnation: Buffer;
  /** Newest record that segments, block files and snapshot include. */
  folded: number;
  snapshotRecord: number;
  private keptGeneration = 0;
  /** Oldest record that somebody is reading: the journal keeps it. */
  pinned = Infinity;
  private readonly clock: Clock;
  private readonly boot = Buffer.from(bootId().replaceAll('-', ''), 'hex');

  constructor(options: OpenOptions, owner: Owner, disk: Disk, keys: KeyStore, problems: string[]) {
    const { directory, clock, secret, sizes = {} } = options;
    this.directory = directory;
    this.databaseFile = path.join(directory, DATABASE_FILE);
    this.disk = disk;
    this.owner = owner;
    this.keys = keys;
    this.problems = problems;
    this.clock = clock;
    const sealer = new Sealer(keys.ring, keys.storeId);
    this.store = { keys: keys.ring, sealer, monthKey: () => keys.monthKey(clock.now()) };
    this.blockFiles = new BlockFiles(disk.below('blocks'));
    this.state = disk.below('state');
    const opened = Catalogue.open(directory, this.state, this.store, this.blockFiles);
    this.catalogue = opened.catalogue;
    problems.push(...opened.problems);
    const open: { close(): void }[] = [this.catalogue];
    try {
      this.budget = settledBudget(options.budget, directory, this.catalogue.documents);
      this.ledger = new GapLedger(this);
      const { journalFile, spareFiles } = sharesOf(this.budget.quotaBytes);
      const { log, findings } = JournalLog.open(disk.below('journal'), sealer, () => keys.ring.journal, {
        acknowledged: this.catalogue.applied,
        fileBytes: sizes.journalFile ?? journalFile,
        // As many as fill up between two folds, so that none is made anew.
        spare: spareFiles,
        onFinding: (finding) => this.note(finding),
      });
      open.push(log);
      this.log = log;
      const lossy = this.recover(opened.lossy, findings);
      const segments = this.openReadings(disk.below('segments'), sealer, sizes.unfolded);
      open.push((this.readings = segments));
      // Of the newest one, too, when it was given up: what it held is not to be taken in again.
      const { newest } = this.catalogue.segments;
      this.folded = Math.max(newest?.recordTo ?? 0, ...segments.entries().map(({ recordTo }) => recordTo));
      this.catchUp = new CatchUp(log, segments, clock, this.folded + 1, (finding, lost) => {
        this.note(finding);
        if (lost !== undefined) this.lost.push(lost);
      });
      segments.onBroken = (entry, thrown, chunk) => this.noteBroken(entry, thrown, chunk);
      this.snapshotRecord = snapshotRecord(this.state, sealer);
      this.recall();
      if (this.keys.reconcile(this.catalogue.meta('keys')?.toString('utf8'), secret)) this.keepKeys();
      else this.keptGeneration = keys.generation;
      for (const finding of keys.findings) this.note(finding);
      this.incarnation = this.catalogue.incarnation ?? Buffer.alloc(0);
      this.settleIncarnation(opened.isNew, lossy);
    } catch (error) {
      for (const one of open.toReversed()) one.close();
      throw error;
    }
  }

  /** What a record says of when it was written. */
  now(): { boot: Uint8Array; monotonic: number; wall: number } {
    return { boot: this.boot, monotonic: this.clock.monotonic(), wall: this.clock.now() };
  }

  /** Commits effects that no caller asked for. */
  commit(effects: readonly Effect[]): void {
    const { catalogue, log } = this;
    catalogue.begin();
    catalogue.db.exec('SAVEPOINT own');
    try {
      catalogue.apply(effects);
      const span = { first: catalogue.head, count: 0, timeFrom: 0, timeTo: 0 };
      const { number, bytes } = log.append({ ...span, ...this.now(), boxes: effectBoxes(effects) });
      this.written.journal += bytes;
      this.catchUp.reached(number);
      catalogue.db.exec('RELEASE own');
    } catch (error) {
      if (catalogue.db.inTransaction) catalogue.db.exec('ROLLBACK TO own; RELEASE own');
      else redoInto(catalogue, log);
      throw error;
    }
  }

  /** The part of a shred that lies outside the keys: `before` counts months since January 1970. */
  shredBefore(before: number): void {
    const { catalogue, readings } = this;
    const doomed = readings.entries().flatMap(({ months }) => months.filter((id) => isMonthBefore(id, before)));
    const keys = new Set(doomed);
    const { segments } = catalogue;
    const { effects, losses } = shredLosses({
      before,
      now: this.clock.now(),
      keys,
      entries: readings.entries(),
      under: (entry) => readings.readingsUnder(entry, keys),
      lostOf: (number) => segments.lostOf(number),
      isLost: (place) => segments.isLost(place),
      ...doomedRows(catalogue, before),
    });
    this.ledger.commit([...effects, { kind: 'shredded', before }], losses);
    const { removed, changed } = readings.dropMonths(keys);
    for (const number of removed) segments.gone(number);
    for (const entry of changed) segments.put(entry);
    catalogue.begin();
    catalogue.dropMeta('keys');
    catalogue.flush(this.log.last);
    catalogue.rewrite();
  }

  /** Whether the catalogue's copy of the key header is behind. */
  get keysChanged(): boolean {
    return this.keys.generation !== this.keptGeneration;
  }

  /** Puts the copy of the key header on the disk: a key whose wrapping is lost takes all that it sealed with it. */
  keepKeys(): void {
    this.noteKeys();
    this.flush();
    this.catalogue.checkpoint();
  }

  addSegment(entry: SegmentEntry): void {
    this.catalogue.begin();
    this.catalogue.segments.put(entry);
  }

  flush(): void {
    if (this.keysChanged) this.noteKeys();
    this.catalogue.flush(this.log.last);
  }

  saveReceipts(): void {
    this.catalogue.begin();
    this.catalogue.door.saveReceipts(this.receipts.packed());
    this.catalogue.setCounter('receipts', this.log.last);
  }

  /** Before closing: the next start finds everything in its place. */
  settle(): void {
    this.catalogue.begin();
    this.flush();
    this.catalogue.checkpoint();
  }

  close(): void {
    this.readings.close();
    this.log.close();
    this.catalogue.close();
    this.keys.close();
  }

  /** Brings the catalogue up to the journal's end. True when numbers may be given out again that were given out before. */
  private recover(lossyCatalogue: boolean, findings: readonly Finding[]): boolean {
    const { log, catalogue } = this;
    for (const finding of findings) this.note(finding);
    const before = catalogue.applied;
    let lossy = lossyCatalogue;
    if (log.last < before) {
      lossy = true;
      const place = `journal records ${log.last + 1} to ${before}`;
      this.note({ place, kind: 'rolled-back', text: 'the journal is older than the catalogue' });
      log.startAt(before + 1);
    }
    const report = redoInto(catalogue, log);
    for (const finding of report.findings) this.note(finding);
    const newest = log.head(log.last);
    if (newest !== undefined) catalogue.advance(newest.first + newest.count);
    return lossy || report.lossy;
  }

  private openReadings(disk: Disk, sealer: Sealer, fullBytes: number | undefined): ReadingStore {
    const { keys, clock, catalogue } = this;
    const known = catalogue.segments.all();
    const seals = {
      sealer,
      clock,
      keyFor: (time: number) => keys.monthKey(time),
      shreddedAt: (id: number) => keys.ring.shreddedAt(id),
    };
    this.removeGivenUp(disk);
    const { store, findings } = ReadingStore.open(disk, seals, known, catalogue.segments.newest, fullBytes);
    for (const finding of findings) this.note(finding);
    const entries = store.entries();
    const there = new Set(entries.map(({ number }) => number));
    for (const { number, readings, positionFrom, positionTo, timeFrom, timeTo } of known ?? [])
      if (!there.has(number))
        this.lost.push({
          place: `segment/${number}/all`,
          readings,
          positions: [positionFrom, positionTo],
          times: [timeFrom, timeTo],
        });
    const listed = new Set(known?.map(({ number }) => number));
    catalogue.begin();
    for (const entry of entries) if (!listed.has(entry.number)) catalogue.segments.put(entry);
    catalogue.advance(Math.max(1, ...entries.map(({ positionTo }) => positionTo)));
    return store;
  }

  /** Readings that a query could not open. What the disk does not give today it may give tomorrow. */
  private noteBroken(entry: SegmentEntry, { code }: TideError, chunk: number): void {
    if (code !== 'damaged-record') return;
    const { number, readings, positionFrom, positionTo, timeFrom, timeTo } = entry;
    const all = { readings, positions: [positionFrom, positionTo], times: [timeFrom, timeTo] } as const;
    const found = chunk < 0 ? all : this.readings.chunkOf(entry, chunk);
    this.lost.push({ place: `segment/${number}/${chunk < 0 ? 'all' : chunk}`, ...found });
    const place = `segment ${number}${chunk < 0 ? '' : `, chunk ${chunk}`}`;
    this.note({ place, kind: 'altered', text: `${found.readings} readings cannot be read` });
  }

  /** What was given up just before a crash: its removal is in the journal, its file is still there. */
  private removeGivenUp(disk: Disk): void {
    const { segments } = this.catalogue;
    const numbers = segments.givenUp();
    if (numbers.length === 0) return;
    for (const number of numbers) disk.remove(fileOf(number));
    disk.sync();
    this.catalogue.begin();
    for (const number of numbers) segments.gone(number);
  }

  /** The window of receipts: what was saved at the last fold, and what the journal has since. */
  private recall(): void {
    const { log, catalogue, receipts } = this;
    const saved = catalogue.counter('receipts');
    recallReceipts(log, receipts, saved);
    for (const part of catalogue.door.loadReceipts().toReversed()) receipts.addOlder(saved, part);
  }

  /** Counts what was found damaged, once, and tells of it. */
  note({ kind, place, text }: Finding): void {
    const words = `${place}: ${kind}; ${text}`;
    if (kind === 'torn' || this.problems.includes(words)) return;
    this.problems.push(words);
    this.catalogue.damage.note('journal', [Buffer.from(`${kind} ${place}`)], new Uint8Array(0), () => undefined);
  }

  private noteKeys(): void {
    this.catalogue.begin();
    this.catalogue.setMeta('keys', Buffer.from(this.keys.text));
    this.keptGeneration = this.keys.generation;
  }

  /** A store that is new, lost numbers it gave out, or is a copy of another one writes as a writer of its own. */
  private settleIncarnation(isNew: boolean, lossy: boolean): void {
    const { directory, keys, store, problems } = this;
    const place = checkPlace(directory, keys.ring, store.sealer);
    const copied = place.verdict === 'copied' || (place.verdict === 'first' && !isNew);
    if (this.incarnation.length === 0 || lossy || copied) {
      this.incarnation = randomBytes(16);
      const { quotaBytes, found } = this.budget;
      const quota = { kind: 'document', ...QUOTA_FOUND, value: encodeCbor(quotaBytes) } as const;
      this.commit([
        { kind: 'incarnation', incarnation: this.incarnation, head: this.catalogue.head },
        ...(found ? [quota] : []),
      ]);
      if (lossy) problems.push('numbers that were given out may be lost: the vault goes on under a new incarnation');
      else if (copied)
        problems.push(
          `the vault is a copy (${place.reasons.join('; ')}): it goes on under a new incarnation, and blocks that waited go out under the old one`,
        );
    }
    if (place.verdict !== 'same') place.keep();
  }
}

/** Undefined when there are none, or none that can be used: that is decided once the vault is claimed. */
function tryKeys(open: () => KeyStore | undefined): KeyStore | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof TideError && error.code === 'damaged') return undefined;
    throw error;
  }
}

function headerCopy(directory: string): string | undefined {
  const file = path.join(directory, DATABASE_FILE);
  if (!existsSync(file)) return undefined;
  let db: Sqlite | undefined;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true });
    return metaOf(db, 'keys')?.toString('utf8');
  } catch {
    // Unreadable is the same as missing here; the key store reports what could not be read.
    return undefined;
  } finally {
    db?.close();
  }
}

const CONTENTS = ['vault.keys', DATABASE_FILE, `${DATABASE_FILE}-wal`, `${DATABASE_FILE}-shm`, 'catalogue.sum'];
const FOLDERS = ['journal', 'segments', 'blocks', 'state'];

/** Moves a vault that nobody can open any more into a folder `damaged-<time>`; undefined when there is nothing to move. */
function setAside(directory: string): string | undefined {
  const there = [...CONTENTS, ...FOLDERS].filter((name) => existsSync(path.join(directory, name)));
  if (there.length === 0) return undefined;
  const aside = path.join(directory, `damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`);
  mkdirSync(aside, { recursive: true, mode: 0o700 });
  for (const name of there) renameSync(path.join(directory, name), path.join(aside, name));
  return aside;
}
