import path from 'node:path';
import type { Clock } from '../../node/clock.ts';
import { bootId } from '../../node/file-clock.ts';
import type { Catalogue, CatalogueKeys } from '../catalogue/sqlite-catalogue.ts';
import type { Owner } from '../catalogue/sqlite-owner.ts';
import { DATABASE_FILE } from '../catalogue/sqlite-schema.ts';
import type { Disk } from '../disk.ts';
import type { JournalLog } from '../journal/journal-log.ts';
import type { KeyStore } from '../keys/file-key-store.ts';
import type { ReadingStore, SegmentEntry } from '../readings/reading-store.ts';
import type { BlockFiles } from './block-files.ts';
import { effectBoxes } from './boxes.ts';
import type { CatchUp } from './catch-up.ts';
import type { Effect } from './effects.ts';
import type { SettledBudget } from './file-room.ts';
import type { FindingLog } from './finding-log.ts';
import { GapLedger } from './gap-ledger.ts';
import { ReceiptKeeper } from './receipt-keeper.ts';
import { Undo } from './sqlite-undo.ts';

/** What a vault is made of, opened and as far as the journal's end (`sqlite-recovery.ts`). */
export interface RecoveredParts {
  /** Real path. */
  directory: string;
  clock: Clock;
  owner: Owner;
  disk: Disk;
  keys: KeyStore;
  store: CatalogueKeys;
  catalogue: Catalogue;
  log: JournalLog;
  readings: ReadingStore;
  blockFiles: BlockFiles;
  state: Disk;
  catchUp: CatchUp;
  budget: SettledBudget;
  findings: FindingLog;
  folded: number;
  snapshotRecord: number;
}

/** Bytes handed to the disk since the vault was opened, by what they were for. */
interface Written {
  journal: number;
  segments: number;
  catalogue: number;
  /** Readings that they are for. */
  readings: number;
}

/** The parts of an open vault, and what it takes several of them to do. */
export class Parts {
  readonly directory: string;
  readonly databaseFile: string;
  readonly owner: Owner;
  readonly disk: Disk;
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
  readonly budget: SettledBudget;
  readonly ledger: GapLedger;
  readonly findings: FindingLog;
  readonly undo: Undo;
  readonly written: Written = { journal: 0, segments: 0, catalogue: 0, readings: 0 };
  incarnation: Buffer;
  /** Newest record that segments, block files and snapshot include. */
  folded: number;
  snapshotRecord: number;
  /** Oldest record that somebody is reading: the journal keeps it. */
  pinned = Infinity;
  private keptGeneration = 0;
  private readonly clock: Clock;
  private readonly boot = Buffer.from(bootId().replaceAll('-', ''), 'hex');

  constructor(recovered: RecoveredParts) {
    this.directory = recovered.directory;
    this.databaseFile = path.join(recovered.directory, DATABASE_FILE);
    this.clock = recovered.clock;
    this.owner = recovered.owner;
    this.disk = recovered.disk;
    this.keys = recovered.keys;
    this.store = recovered.store;
    this.catalogue = recovered.catalogue;
    this.log = recovered.log;
    this.readings = recovered.readings;
    this.blockFiles = recovered.blockFiles;
    this.state = recovered.state;
    this.catchUp = recovered.catchUp;
    this.budget = recovered.budget;
    this.findings = recovered.findings;
    this.folded = recovered.folded;
    this.snapshotRecord = recovered.snapshotRecord;
    this.incarnation = recovered.catalogue.incarnation ?? Buffer.alloc(0);
    this.ledger = new GapLedger(this);
    this.undo = new Undo(this.directory, this.catalogue, this.log, this.findings);
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
      this.undo.backTo('own');
      throw error;
    }
  }

  /** At the start: of the key header and its copy in the catalogue the newer one counts. */
  reconcileKeys(secret: string): void {
    if (this.keys.reconcile(this.catalogue.meta('keys')?.toString('utf8'), secret)) this.keepKeys();
    else this.keptGeneration = this.keys.generation;
    for (const finding of this.keys.findings) this.findings.note(finding);
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

  private noteKeys(): void {
    this.catalogue.begin();
    this.catalogue.setMeta('keys', Buffer.from(this.keys.text));
    this.keptGeneration = this.keys.generation;
  }
}
