import { existsSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { z } from 'zod';
import { TideError, reasonOf } from '../../node/errors.ts';
import type { Disk } from '../disk.ts';
import type { BlockFiles } from '../engine/block-files.ts';
import type { Effect } from '../engine/effects.ts';
import { closeDatabase, openChecked } from './sqlite-checked.ts';
import { markDamaged } from './file-damage-mark.ts';
import { SqliteAccounts } from './sqlite-accounts.ts';
import { SqliteAlerts } from './sqlite-alerts.ts';
import { applyEffect, type Stores } from './sqlite-apply.ts';
import { SqliteCheckpoints } from './sqlite-checkpoints.ts';
import { Damage, counter, type Store } from './sqlite-damage.ts';
import { SqliteDestroyed } from './sqlite-destroyed.ts';
import { SqliteDocuments } from './sqlite-documents.ts';
import { SqliteDoor } from './sqlite-door.ts';
import { SqliteOutbox } from './sqlite-outbox.ts';
import { DATABASE_FILE, metaOf, putMeta, type Sqlite } from './sqlite-schema.ts';
import { SqliteSegments } from './sqlite-segments.ts';
import { SqliteSeries } from './sqlite-series.ts';
import { restoreSnapshot, snapshots } from './sqlite-snapshot.ts';
import type { CatalogueSum } from './file-sum.ts';

/** Of the first version, which kept everything in one database. */
const OLD_DATABASE = 'vault.db';

const PAGE = 4096;
const FRAME_HEAD = 24;
/** Free pages that are kept for what comes. */
const FREE_PAGES = 256;
const checkpointSchema = z.tuple([z.object({ busy: z.number(), log: z.number(), checkpointed: z.number() })]);

export type CatalogueKeys = Omit<Store, 'db' | 'damage'>;

export interface OpenedCatalogue {
  catalogue: Catalogue;
  problems: string[];
  /** Rows were lost for good: numbers may be given out that were given out before. */
  lossy: boolean;
  isNew: boolean;
}

/**
 * What the vault keeps beside the readings, in SQLite: a copy of what the journal says, kept up to date in one long
 * transaction that is committed now and then. What a crash takes from it is applied again from the journal, and when it
 * is damaged it is made again from its snapshot and the journal.
 */
export class Catalogue implements Stores {
  readonly db: Sqlite;
  readonly damage: Damage;
  readonly series: SqliteSeries;
  readonly door: SqliteDoor;
  readonly checkpoints: SqliteCheckpoints;
  readonly accounts: SqliteAccounts;
  readonly outbox: SqliteOutbox;
  readonly alerts: SqliteAlerts;
  readonly documents: SqliteDocuments;
  readonly segments: SqliteSegments;
  readonly destroyed: SqliteDestroyed;
  private readonly sum: CatalogueSum;
  /** Why it is not to be trusted at the next start. */
  private doubt: string | undefined;
  /** Lowest position that the journal may give out, as far as the catalogue knows. */
  head: number;
  /** Newest journal record whose effects a power cut cannot take from the database. */
  durable: number;
  /** Bytes written to the database and its log, as far as SQLite counts them. */
  bytesWritten = 0;

  private constructor(db: Sqlite, sum: CatalogueSum, keys: CatalogueKeys, files: BlockFiles) {
    this.db = db;
    this.sum = sum;
    this.damage = new Damage(db);
    const store: Store = { ...keys, db, damage: this.damage };
    this.series = new SqliteSeries(store);
    this.door = new SqliteDoor(store);
    this.checkpoints = new SqliteCheckpoints(store);
    this.accounts = new SqliteAccounts(store);
    this.outbox = new SqliteOutbox(store, files, this.accounts);
    this.alerts = new SqliteAlerts(store);
    this.documents = new SqliteDocuments(store);
    this.segments = new SqliteSegments(store);
    this.destroyed = new SqliteDestroyed(db);
    this.durable = counter(db, 'applied');
    this.head = Math.max(1, counter(db, 'head'));
  }

  /** Opens the catalogue in a vault's directory; makes it again from its snapshot (in `state`) when it is damaged. */
  static open(directory: string, state: Disk, keys: CatalogueKeys, files: BlockFiles): OpenedCatalogue {
    const file = path.join(directory, DATABASE_FILE);
    if (!existsSync(file) && existsSync(path.join(directory, OLD_DATABASE)))
      throw new TideError(
        'older-format',
        `vault ${directory} was made by a version before 0.2, which is no longer read; take another directory`,
      );
    const problems: string[] = [];
    const existed = existsSync(file) || snapshots(state).length > 0;
    let lossy = false;
    const { db, sum } = openChecked(directory, keys.sealer, problems, (empty) => {
      lossy = !refill(empty, state, keys, problems);
    });
    try {
      return { catalogue: new Catalogue(db, sum, keys, files), problems, lossy, isNew: !existed };
    } catch (error) {
      db.close();
      sum.close();
      throw error;
    }
  }

  /** Newest journal record whose effects are in here, if only in the open transaction. */
  get applied(): number {
    return counter(this.db, 'applied');
  }

  advance(to: number): void {
    this.head = Math.max(this.head, to);
  }

  get incarnation(): Buffer | undefined {
    return metaOf(this.db, 'incarnation');
  }

  get dirty(): boolean {
    return this.db.inTransaction;
  }

  /** Begins the long transaction. Throws SQLite's own SQLITE_BUSY, and has done nothing, while another process writes. */
  begin(): void {
    if (!this.db.inTransaction) this.db.exec('BEGIN IMMEDIATE');
  }

  apply(effects: readonly Effect[]): void {
    for (const effect of effects) applyEffect(this, effect);
  }

  /** Commits what was applied up to a record. Not synced: `checkpoint` does that. */
  flush(applied: number): void {
    if (!this.db.inTransaction) return;
    this.setCounter('applied', applied);
    this.setCounter('head', this.head);
    this.db.exec('COMMIT');
  }

  /** Gives free pages back, at most so many; part of the long transaction. */
  shrink(pages: number): void {
    const free = Number(this.db.pragma('freelist_count', { simple: true }));
    if (free > FREE_PAGES) this.db.pragma(`incremental_vacuum(${Math.min(pages, free - FREE_PAGES)})`);
  }

  /** Copies what was committed into the database, synced, and notes its sum. */
  checkpoint(): void {
    const { applied } = this;
    this.sum.forget();
    // While a copy is being read the log cannot be emptied; it is at the next time.
    const [{ busy, log, checkpointed }] = checkpointSchema.parse(this.copyLog());
    this.bytesWritten += Math.max(0, log) * (PAGE + FRAME_HEAD) + Math.max(0, checkpointed) * PAGE;
    if (busy !== 0 || log !== checkpointed) return;
    this.db.pragma('wal_checkpoint(TRUNCATE)');
    this.sum.note();
    this.durable = applied;
  }

  /**
   * Once a sync has failed, the kernel takes what it could not write for written: a later sync succeeds without it, and
   * SQLite, which goes by that, copies a log into the database that is not on the disk. A power cut on the way leaves a mixture of
   * both that can look whole. So this catalogue is not trusted at the next start, however well it reads until then.
   */
  private copyLog(): unknown {
    const directory = path.dirname(this.db.name);
    // Each time anew: the mark itself may not have come to such a disk.
    if (this.doubt !== undefined) markDamaged(directory, this.doubt);
    try {
      return this.db.pragma('wal_checkpoint(PASSIVE)');
    } catch (error) {
      if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_IOERR')) {
        this.doubt = `the disk failed while it was written: ${reasonOf(error)}`;
        markDamaged(directory, this.doubt);
      }
      throw error;
    }
  }

  setCounter(name: string, value: number): void {
    this.db
      .prepare(
        'INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      )
      .run(name, value);
  }

  counter(name: string): number {
    return counter(this.db, name);
  }

  /** Rewrites the database, so that no page of it holds what was deleted. */
  rewrite(): void {
    this.db.exec('VACUUM');
    this.checkpoint();
  }

  /** Bytes of pages that nothing lies in: only rewriting gives them back to the disk. */
  get freeBytes(): number {
    return PAGE * Number(this.db.pragma('freelist_count', { simple: true }));
  }

  dropMeta(name: string): void {
    this.db.prepare('DELETE FROM meta WHERE name = ?').run(name);
  }

  setMeta(name: string, value: Uint8Array): void {
    putMeta(this.db, name, value);
  }

  meta(name: string): Buffer | undefined {
    return metaOf(this.db, name);
  }

  close(): void {
    try {
      closeDatabase(this.db, this.sum);
    } finally {
      this.sum.close();
    }
  }
}

/** Fills an empty catalogue from the newest snapshot that can be read. False when rows are missing. */
function refill(db: Sqlite, state: Disk, { sealer }: CatalogueKeys, problems: string[]): boolean {
  for (const number of snapshots(state)) {
    const restored = restoreSnapshot(state, sealer, number, db);
    if (restored === undefined) {
      problems.push(`snapshot ${number} of the catalogue cannot be read`);
      continue;
    }
    if (restored.whole && restored.damaged === 0) return true;
    problems.push(`snapshot ${number} of the catalogue is damaged: ${restored.damaged} of its boxes are lost`);
    return false;
  }
  // Without a snapshot the journal has everything since the beginning, or the caller finds that it has not.
  return true;
}
