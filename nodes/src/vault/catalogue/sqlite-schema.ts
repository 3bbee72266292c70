import Database from 'better-sqlite3';
import { TideError, reasonOf } from '../../node/errors.ts';
import { touchPrivate } from '../keys/file-header.ts';

export type Sqlite = Database.Database;
/** A prepared statement that gives rows of a type. */
export type Query<Row> = Database.Statement<unknown[], Row>;
export type Statement = Query<unknown>;

export const DATABASE_FILE = 'catalogue.db';
const APPLICATION = 0x54_49_44_45; // "TIDE"
const FORMAT = 2;

/**
 * What stands in clear: positions, counts, time ranges, sizes and numbers. Every `body` is sealed, and a row is found
 * by number or by the keyed hash of its name.
 */
const TABLES = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE series (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
  CREATE TABLE segments (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
  CREATE TABLE receipts (id INTEGER PRIMARY KEY, count INTEGER NOT NULL, body BLOB NOT NULL);
  CREATE TABLE causes (source BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE quarantine (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
  CREATE TABLE consumers (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
  CREATE TABLE checkpoints (consumer INTEGER NOT NULL, series INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (consumer, series));
  CREATE TABLE streams (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, sealed INTEGER NOT NULL, count INTEGER NOT NULL,
    bytes INTEGER NOT NULL, body BLOB NOT NULL);
  CREATE TABLE blocks (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL,
    file INTEGER NOT NULL, place INTEGER NOT NULL, length INTEGER NOT NULL, body BLOB);
  CREATE UNIQUE INDEX blocks_by_number ON blocks (stream, number);
  CREATE INDEX blocks_by_file ON blocks (file, id);
  CREATE TABLE alerts (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
  CREATE TABLE documents (namespace BLOB NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL, UNIQUE (namespace, key));
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE damaged (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, place TEXT NOT NULL, time INTEGER NOT NULL,
    body BLOB NOT NULL, UNIQUE (kind, place));
`;

/** What became of readings (sqlite-accounts.ts): made where they are missing, since a vault may be older than they are. */
const ACCOUNTS = `
  CREATE TABLE IF NOT EXISTS ledgers (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS accounts (ledger INTEGER NOT NULL, kind INTEGER NOT NULL, page INTEGER NOT NULL,
    counts BLOB NOT NULL, UNIQUE (ledger, kind, page));
  CREATE TABLE IF NOT EXISTS tallies (stream INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (stream, number)) WITHOUT ROWID;
`;

/** The tables whose rows a snapshot holds, in the order in which they are put back. */
export const SNAPSHOT_TABLES = [
  'meta',
  'counters',
  'series',
  'segments',
  'receipts',
  'causes',
  'quarantine',
  'consumers',
  'checkpoints',
  'streams',
  'blocks',
  'alerts',
  'documents',
  'ledgers',
  'accounts',
  'tallies',
] as const;

/**
 * Opens the database; when it is new, makes its tables and lets `fill` put rows into them. Its commits are not synced (`synchronous=NORMAL`: the log and
 * the database are, whenever the one is copied into the other): what it holds is written down in the journal before.
 * The wait for a writer in another process is the caller's, because a busy handler would keep this thread from
 * answering readers.
 */
export function openDatabase(file: string, fill: (empty: Sqlite) => void): { db: Sqlite; isNew: boolean } {
  touchPrivate(file);
  const db = new Database(file, { timeout: 0 });
  try {
    // Before the first table: a burst of blocks leaves free pages, which folds give back a few at a time.
    db.pragma('auto_vacuum = INCREMENTAL');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
    db.pragma('temp_store = MEMORY');
    db.pragma('wal_autocheckpoint = 0');
    // A page that spilled into the log in the middle of a transaction could meet a full disk where nobody waits for it.
    db.pragma('cache_spill = OFF');
    // Kibibytes of unchanged pages; the system's cache has the rest.
    db.pragma('cache_size = -4096');
    const isNew = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
    if (isNew) createTables(db, fill);
    else {
      checkFormat(db, file);
      db.exec(ACCOUNTS);
    }
    return { db, isNew };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Tables and first rows at once: what was filled in part would pass for whole at the next start. */
function createTables(db: Sqlite, fill: (empty: Sqlite) => void): void {
  db.transaction(() => {
    db.exec(TABLES);
    db.exec(ACCOUNTS);
    db.pragma(`application_id = ${APPLICATION}`);
    db.pragma(`user_version = ${FORMAT}`);
    fill(db);
  }).immediate();
}

function checkFormat(db: Sqlite, file: string): void {
  const application = db.pragma('application_id', { simple: true });
  if (application !== APPLICATION)
    throw new TideError(
      'damaged',
      `${file} is an SQLite database, but not a vault (application id ${String(application)})`,
    );
  const format = Number(db.pragma('user_version', { simple: true }));
  if (format > FORMAT)
    throw new TideError(
      'newer-format',
      `${file} has format ${format}; this version reads up to ${FORMAT}: install the newer one again`,
    );
  if (format < FORMAT) throw new TideError('damaged', `${file} has format ${format}`);
}

export function putMeta(db: Sqlite, name: string, value: Uint8Array): void {
  db.prepare('INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)').run(name, value);
}

/** The value of a row of `meta`, or undefined. */
export function metaOf(db: Sqlite, name: string): Buffer | undefined {
  const value: unknown = db.prepare('SELECT value FROM meta WHERE name = ?').pluck().get(name);
  return Buffer.isBuffer(value) ? value : undefined;
}

/** SQLite's result codes as codes of the vault: what a caller may do about it. */
const CODES: readonly [prefix: string, code: string, words: string][] = [
  ['SQLITE_BUSY', 'busy', 'another process holds the database'],
  ['SQLITE_FULL', 'disk-full', 'the disk is full'],
  // The index of the write-ahead log could not grow: on a full disk SQLite says no more than that.
  ['SQLITE_IOERR_SHMSIZE', 'disk-full', 'the disk is full'],
  ['SQLITE_CORRUPT', 'damaged', 'the database is damaged'],
  ['SQLITE_NOTADB', 'damaged', 'the database is damaged'],
  ['SQLITE_READONLY', 'io', 'the database cannot be written'],
  ['SQLITE_CANTOPEN', 'io', 'the database cannot be opened'],
  ['SQLITE_IOERR', 'io', 'the disk reports an error'],
];

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Any failure of the engine as a TideError. */
export function engineError(thrown: unknown, directory: string): TideError {
  if (thrown instanceof TideError) return thrown;
  const sqlite = codeOf(thrown);
  const found = CODES.find(([prefix]) => sqlite.startsWith(prefix));
  // A file beside the database: what the system says of it, such as that there are too many open files.
  if (thrown instanceof Error && 'syscall' in thrown && 'code' in thrown && !FULL.has(String(thrown.code)))
    return new TideError('io', `vault ${directory}: ${thrown.message}`, { cause: thrown });
  const detail = sqlite === '' ? reasonOf(thrown) : `${reasonOf(thrown)}, ${sqlite}`;
  return found === undefined
    ? new TideError('vault-failed', `vault ${directory}: ${detail}`, { cause: thrown })
    : new TideError(found[1], `vault ${directory}: ${found[2]} (${detail})`, { cause: thrown });
}

function codeOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : '';
}
