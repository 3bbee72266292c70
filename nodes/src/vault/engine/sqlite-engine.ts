import { mkdirSync, readdirSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { TideError } from '../../node/errors.ts';
import type {
  EncodedCheckpoint,
  EngineCalls,
  EngineStats,
  JournalPart,
  OpenReport,
  WriteGroup,
  WriteResult,
} from '../engine.ts';
import type { CutReport, InventoryKind, InventoryPage } from '../inventory.ts';
import { systemClock } from '../../node/clock.ts';
import { FileDisk } from '../file-disk.ts';
import { EngineKeys } from '../keys/file-engine-keys.ts';
import { readHeader } from '../keys/file-header.ts';
import { KeyStore } from '../keys/file-key-store.ts';
import { readKey } from '../keys/file-key.ts';
import type { KeyStatus } from '../keys/key-status.ts';
import type { ShredReport } from '../keys/vault-keys.ts';
import { unlock, type KeyRing } from '../keys/keys.ts';
import { Sealer } from '../keys/sealed.ts';
import { applyItem, type Stores } from '../catalogue/sqlite-apply.ts';
import { SqliteAlerts } from '../catalogue/sqlite-alerts.ts';
import { SqliteCheckpoints } from '../catalogue/sqlite-checkpoints.ts';
import { Damage, type Store } from '../catalogue/sqlite-damage.ts';
import { SqliteDocuments } from '../catalogue/sqlite-documents.ts';
import { SqliteDoor } from '../catalogue/sqlite-door.ts';
import { SqliteInventory } from '../catalogue/sqlite-inventory.ts';
import { SqliteJournal } from '../sqlite-journal.ts';
import { SqliteOutbox } from '../catalogue/sqlite-outbox.ts';
import { Owner } from '../catalogue/sqlite-owner.ts';
import { markDamaged, openFiles } from '../catalogue/sqlite-recovery.ts';
import { DATABASE_FILE, engineError, metaOf, type Sqlite } from '../catalogue/sqlite-schema.ts';
import { SqliteSeries } from '../catalogue/sqlite-series.ts';
import type { Block, KeyReference, QueuedAlert, Range, StreamBacklog } from '../vault.ts';

/** What stands while the vault is open. */
interface Open extends Store, Stores {
  readonly directory: string;
  readonly owner: Owner;
  readonly incarnation: string;
  readonly problems: string[];
  readonly series: SqliteSeries;
  readonly keyStore: KeyStore;
}

/** The vault's records in SQLite, every body sealed. Synchronous: it runs in the writer's thread. */
export class SqliteEngine implements EngineCalls {
  private readonly directory: string;
  private readonly key: KeyReference;
  private state: Open | undefined;
  private damage: TideError | undefined;
  private inventoryHeld: SqliteInventory | undefined;
  /** What was counted last: a damaged database may not be countable any more. */
  private lastStats: EngineStats | undefined;

  constructor(directory: string, key: KeyReference) {
    this.directory = directory;
    this.key = key;
  }

  open(): OpenReport {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const directory = realpathSync(this.directory);
    const secret = readKey(this.key, directory);
    // Before the vault is claimed: with a wrong key not one byte changes.
    const ring = tryUnlock(directory, secret);
    const owner = Owner.claim(directory);
    try {
      return this.openOnce(directory, secret, ring, owner);
    } catch (error) {
      const found = engineError(error, directory);
      if (found.code !== 'damaged') {
        owner.release();
        throw found;
      }
      // Damage that shows only once the tables are read: the mark makes the second try set the database aside.
      markDamaged(directory, found.message);
    }
    try {
      return this.openOnce(directory, secret, ring, owner);
    } catch (error) {
      owner.release();
      throw error;
    }
  }

  /** Throws SQLite's own error with code SQLITE_BUSY, and has done nothing, while another process writes. */
  write(group: WriteGroup): WriteResult {
    const state = this.require();
    if (this.damage !== undefined) throw this.damage;
    const { db, journal } = state;
    const head = journal.head;
    try {
      db.exec('BEGIN IMMEDIATE');
      state.damage.settle();
      for (const entry of group.series) state.series.put(entry);
      const results = group.items.map((item) => applyItem(state, item));
      journal.flush();
      db.exec('COMMIT');
      state.damage.settled();
      return { head: journal.head, results };
    } catch (error) {
      journal.rollBack(head);
      state.door.rollBack();
      if (db.inTransaction) db.exec('ROLLBACK');
      const found = engineError(error, state.directory);
      if (found.code === 'damaged') this.stopWriting(state, found);
      throw error;
    }
  }

  readJournal(from: number, limit: number, source: string | undefined): JournalPart {
    return this.require().journal.read(from, limit, source);
  }

  cause(source: string): number {
    return this.require().door.cause(source);
  }

  receipts(): Uint8Array {
    return this.require().door.receipts();
  }

  rejections(limit: number): Uint8Array[] {
    return this.require().door.rejections(limit);
  }

  checkpoints(consumer: string): EncodedCheckpoint | undefined {
    return this.require().checkpoints.load(consumer);
  }

  replayFrom(): number {
    const { checkpoints, journal } = this.require();
    return checkpoints.replayFrom(journal.head);
  }

  streams(): StreamBacklog[] {
    return this.require().outbox.streams();
  }

  peek(stream: string, order: 'newest' | 'oldest', skip: readonly Range[], maxBytes: number): Block[] {
    return this.require().outbox.peek(stream, order, skip, maxBytes);
  }

  alerts(limit: number, skip: ReadonlySet<string>): QueuedAlert[] {
    return this.require().alerts.peek(limit, skip);
  }

  document(namespace: string, key: string): Uint8Array | undefined {
    return this.require().documents.get(namespace, key);
  }

  documents(namespace: string): { key: string; value: Uint8Array }[] {
    return this.require().documents.list(namespace);
  }

  beginCut(): CutReport {
    const state = this.require();
    this.endCut();
    this.inventoryHeld = new SqliteInventory(state, path.join(state.directory, DATABASE_FILE));
    return { head: state.journal.head, replayFrom: state.checkpoints.replayFrom(state.journal.head) };
  }

  inventory<Kind extends InventoryKind>(kind: Kind, after: number, maxBytes: number): InventoryPage<Kind> {
    if (this.inventoryHeld === undefined) throw new TideError('no-cut', 'no cut of this vault is held');
    return this.inventoryHeld.page(kind, after, maxBytes);
  }

  endCut(): void {
    this.inventoryHeld?.close();
    this.inventoryHeld = undefined;
  }

  stats(): EngineStats {
    if (this.damage !== undefined && this.lastStats !== undefined)
      return { ...this.lastStats, problems: [...this.require().problems] };
    const { directory, journal, outbox, alerts, door, damage, problems } = this.require();
    const { blocks, bytes } = outbox.waiting();
    this.lastStats = {
      readings: journal.readings,
      bytes: bytesOf(directory),
      blocksWaiting: blocks,
      blockBytesWaiting: bytes,
      alertsWaiting: alerts.waiting,
      quarantined: door.quarantined,
      damaged: damage.count,
      problems: [...problems],
    };
    return this.lastStats;
  }

  keyStatus(): KeyStatus {
    return this.keyCalls().keyStatus();
  }

  prepareRotation(to: KeyReference): 'prepared' | 'done' {
    return this.keyCalls().prepareRotation(to);
  }

  confirmRotation(to: KeyReference): void {
    this.keyCalls().confirmRotation(to);
  }

  cancelRotation(): void {
    this.keyCalls().cancelRotation();
  }

  shred(before: string): ShredReport {
    throw new TideError('bad-option', `nothing before ${before} can be shredded: all records lie under one key`);
  }

  derivedSecret(purpose: string): string {
    return this.keyCalls().derivedSecret(purpose);
  }

  close(): void {
    const { state } = this;
    if (state === undefined) return;
    this.state = undefined;
    this.endCut();
    try {
      state.db.close();
    } finally {
      state.owner.release();
    }
  }

  private openOnce(directory: string, secret: string, ring: KeyRing | undefined, owner: Owner): OpenReport {
    const state = openStores(directory, secret, ring, owner);
    try {
      const { incarnation, journal, series } = state;
      const report = { directory, incarnation, head: journal.head, series: series.entries(), lastSeries: series.last };
      this.state = state;
      this.stats();
      return report;
    } catch (error) {
      this.state = undefined;
      state.db.close();
      throw error;
    }
  }

  private keyCalls(): EngineKeys {
    const { keyStore, directory, db } = this.require();
    return new EngineKeys({
      store: keyStore,
      directory,
      reference: this.key,
      keepCopy: (text) => keepHeader(db, text),
      shredData: ({ before }) => this.shred(before),
    });
  }

  private require(): Open {
    if (this.state === undefined) throw new TideError('closed', `vault ${this.directory} is closed`);
    return this.state;
  }

  /** Positions and block numbers must not go on in a database that lost some: a new one is made at the next start. */
  private stopWriting(state: Open, found: TideError): void {
    this.damage = new TideError(
      'damaged',
      `${found.message}; nothing more is written: start again, and it is set aside`,
      { cause: found },
    );
    state.problems.push(this.damage.message);
    markDamaged(state.directory, found.message);
  }
}

function openStores(directory: string, secret: string, unlocked: KeyRing | undefined, owner: Owner): Open {
  const { db, ring, incarnation, problems, rescued } = openFiles(directory, secret, unlocked);
  try {
    const store: Store = { db, keys: ring, sealer: new Sealer(ring, incarnation), damage: new Damage(db) };
    const documents = new SqliteDocuments(store);
    if (rescued.length > 0)
      db.transaction(() => rescued.forEach(({ namespace, key, value }) => documents.put(namespace, key, value)))();
    const keyStore = KeyStore.open({ disk: new FileDisk(directory), clock: systemClock, secret })!;
    keyStore.settle(secret);
    if (keyStore.reconcile(metaOf(db, 'keys')?.toString('utf8'), secret)) keepHeader(db, keyStore.text);
    return {
      ...store,
      keyStore,
      directory,
      owner,
      incarnation: incarnation.toString('hex'),
      problems,
      documents,
      series: new SqliteSeries(store),
      journal: new SqliteJournal(store),
      door: new SqliteDoor(store),
      checkpoints: new SqliteCheckpoints(store),
      outbox: new SqliteOutbox(store),
      alerts: new SqliteAlerts(store),
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The copy that helps when the header's file is damaged, or an older one was put back. */
function keepHeader(db: Sqlite, text: string): void {
  db.prepare("REPLACE INTO meta (name, value) VALUES ('keys', ?)").run(Buffer.from(text));
}

/** Undefined when there is no header yet, or none that can be read: that is decided once the vault is claimed. */
function tryUnlock(directory: string, secret: string): KeyRing | undefined {
  try {
    const header = readHeader(directory);
    return header === undefined ? undefined : unlock(header, secret);
  } catch (error) {
    if (error instanceof TideError && error.code === 'damaged') return undefined;
    throw error;
  }
}

/** Bytes of all files below a directory. One that goes away meanwhile counts nothing. */
function bytesOf(directory: string): number {
  let bytes = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const stat = statSync(path.join(directory, name), { throwIfNoEntry: false });
    if (stat?.isFile() === true) bytes += stat.size;
  }
  return bytes;
}
