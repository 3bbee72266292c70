import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { TideError, reasonOf } from '../../node/errors.ts';
import { HEADER_FILE, parseHeader, readHeader, syncDirectory, writeHeader } from '../keys/file-header.ts';
import { createKeys, unlock, type KeyHeader, type KeyRing } from '../keys/keys.ts';
import { Sealer } from '../keys/sealed.ts';
import { readableDocuments } from './sqlite-documents.ts';
import { DATABASE_FILE, engineError, metaOf, openDatabase, type Sqlite } from './sqlite-schema.ts';

/** Left by a process whose database turned out damaged while it ran; the next start sets the database aside. */
export const DAMAGE_MARK = 'vault.damaged';
const DATABASE_FILES = [DATABASE_FILE, `${DATABASE_FILE}-wal`, `${DATABASE_FILE}-shm`];

export interface OpenedDatabase {
  db: Sqlite;
  ring: KeyRing;
  incarnation: Buffer;
  /** What was found damaged, in words. */
  problems: string[];
  /** Documents of a database that was set aside, to be put into the new one. */
  rescued: { namespace: string; key: string; value: Uint8Array }[];
}

/**
 * Opens the vault's files, makes them when they are new, and sets aside what is damaged: the database then starts
 * afresh under a new incarnation and keeps the documents that could still be read (identity, grants, set-points).
 */
export function openFiles(directory: string, secret: string, unlocked: KeyRing | undefined): OpenedDatabase {
  const problems: string[] = [];
  const file = path.join(directory, DATABASE_FILE);
  let { header, ring } = openKeys(directory, secret, unlocked, problems);
  let rescued: OpenedDatabase['rescued'] = [];
  const fresh = (): { incarnation: Buffer; keys: string } => ({
    incarnation: randomBytes(16),
    keys: JSON.stringify(header),
  });
  const mark = path.join(directory, DAMAGE_MARK);
  if (existsSync(mark)) {
    const reason = readFileSync(mark, 'utf8').slice(0, 500).trim();
    const aside = setAside(directory, [...DATABASE_FILES, DAMAGE_MARK]);
    rescued = rescue(aside, ring);
    problems.push(`${DATABASE_FILE} is damaged (${reason}); it lies in ${aside}`);
  } else if (sizeOf(file) === 0 && existsSync(path.join(directory, HEADER_FILE)))
    problems.push(`${DATABASE_FILE} was missing or empty; a new one was made under a new incarnation`);
  let db: Sqlite;
  try {
    db = openDatabase(file, fresh).db;
  } catch (error) {
    const found = engineError(error, directory);
    if (found.code !== 'damaged') throw found;
    const aside = setAside(directory, DATABASE_FILES);
    rescued = rescue(aside, ring);
    problems.push(`${DATABASE_FILE} is damaged (${reasonOf(error)}); it lies in ${aside}`);
    db = openDatabase(file, fresh).db;
  }
  if (rescued.length > 0) problems.push(`${rescued.length} documents were carried over from it`);
  // Last, so that a header without a database always means that a database was lost.
  if (readHeaderOrUndefined(directory) === undefined) writeHeader(directory, header);
  return { db, ring, incarnation: metaOf(db, 'incarnation') ?? Buffer.alloc(0), problems, rescued };
}

/** The header from its file, else from its copy in the database, else a new one. */
function openKeys(
  directory: string,
  secret: string,
  unlocked: KeyRing | undefined,
  problems: string[],
): { header: KeyHeader; ring: KeyRing } {
  try {
    const header = readHeader(directory);
    if (header !== undefined) return { header, ring: unlocked ?? unlock(header, secret) };
  } catch (error) {
    if (!(error instanceof TideError) || error.code !== 'damaged') throw error;
    problems.push(error.message);
  }
  const copy = headerCopy(directory);
  // Before anything is moved: with a wrong key this throws and nothing has changed.
  const ring = copy === undefined ? undefined : unlockCopy(copy, secret);
  if (copy !== undefined && ring !== undefined) {
    if (problems.length > 0) setAside(directory, [HEADER_FILE]);
    problems.push(`${HEADER_FILE} was made again from the copy in the database`);
    return { header: copy, ring };
  }
  const lost = [HEADER_FILE, ...DATABASE_FILES].filter((name) => existsSync(path.join(directory, name)));
  if (lost.length > 0) {
    const aside = setAside(directory, lost);
    problems.push(`neither ${HEADER_FILE} nor its copy can be read; ${lost.join(', ')} lie in ${aside}`);
  }
  return createKeys(secret, Date.now());
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function headerCopy(directory: string): KeyHeader | undefined {
  const file = path.join(directory, DATABASE_FILE);
  if (!existsSync(file)) return undefined;
  let db: Sqlite | undefined;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true });
    const copy = metaOf(db, 'keys');
    return copy === undefined ? undefined : parseHeader(copy.toString('utf8'), `key header in ${DATABASE_FILE}`);
  } catch {
    // Unreadable is the same as missing here; the caller reports what could not be read.
    return undefined;
  } finally {
    db?.close();
  }
}

function unlockCopy(copy: KeyHeader, secret: string): KeyRing | undefined {
  try {
    return unlock(copy, secret);
  } catch (error) {
    if (error instanceof TideError && error.code === 'damaged') return undefined;
    throw error;
  }
}

function readHeaderOrUndefined(directory: string): KeyHeader | undefined {
  try {
    return readHeader(directory);
  } catch {
    // Reported and set aside by openKeys; here it only counts that there is none that can be used.
    return undefined;
  }
}

/** Moves files into a new folder `damaged-<time>`; returns its path. */
function setAside(directory: string, names: readonly string[]): string {
  const aside = path.join(directory, `damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`);
  mkdirSync(aside, { recursive: true, mode: 0o700 });
  for (const name of names) {
    const file = path.join(directory, name);
    if (existsSync(file)) renameSync(file, path.join(aside, name));
  }
  syncDirectory(aside);
  syncDirectory(directory);
  return aside;
}

function rescue(aside: string, ring: KeyRing): OpenedDatabase['rescued'] {
  const rescued: OpenedDatabase['rescued'] = [];
  let db: Sqlite | undefined;
  try {
    db = new Database(path.join(aside, DATABASE_FILE), { fileMustExist: true });
    const incarnation = metaOf(db, 'incarnation');
    if (incarnation === undefined) return rescued;
    for (const document of readableDocuments(db, new Sealer(ring, incarnation))) rescued.push(document);
  } catch {
    // What was read before the damage is kept; that the database is damaged has been reported.
  } finally {
    db?.close();
  }
  return rescued;
}

/** Notes for the next start that this database is damaged. */
export function markDamaged(directory: string, reason: string): void {
  writeFileSync(path.join(directory, DAMAGE_MARK), `${reason}\n`, { mode: 0o600, flush: true });
}
