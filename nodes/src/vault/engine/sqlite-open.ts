import { existsSync, mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import type { Clock } from '../../node/clock.ts';
import { TideError } from '../../node/errors.ts';
import { markDamaged } from '../catalogue/file-damage-mark.ts';
import { Owner } from '../catalogue/sqlite-owner.ts';
import { DATABASE_FILE, engineError, metaOf, type Sqlite } from '../catalogue/sqlite-schema.ts';
import type { BudgetOptions } from '../budget/budget-options.ts';
import { FileDisk } from '../file-disk.ts';
import { KeyStore } from '../keys/file-key-store.ts';
import type { VaultSizes } from '../vault.ts';
import { releaseBallast } from './file-room.ts';
import type { Parts } from './sqlite-parts.ts';
import { recover } from './sqlite-recovery.ts';

export interface OpenOptions {
  /** Real path; exists. */
  directory: string;
  secret: string;
  clock: Clock;
  budget: BudgetOptions;
  sizes: VaultSizes;
}

/**
 * Opens a vault and takes it for this process. Throws TideErrors: `wrong-key`, `owned`, `older-format` and
 * `newer-format`, and what the disk throws.
 */
export function openParts(options: OpenOptions): Parts {
  const { directory } = options;
  try {
    return claimAndRecover(options);
  } catch (error) {
    const found = engineError(error, directory);
    // With the ballast gone there is room to open, and for what then gives way.
    if (found.code === 'disk-full' && releaseBallast(directory)) return claimAndRecover(options);
    if (found.code !== 'damaged') throw found;
    // Damage of the catalogue that shows only once its tables are read: with the mark, the second try makes it anew.
    markDamaged(directory, found.message);
    return claimAndRecover(options);
  }
}

function claimAndRecover(options: OpenOptions): Parts {
  const { directory, secret, clock } = options;
  const disk = new FileDisk(directory);
  const copy = (): string | undefined => headerCopy(directory);
  // Before the vault is claimed: with a wrong key not one byte changes.
  let keys = tryKeys(() => KeyStore.open({ disk, clock, secret, copy }));
  const owner = Owner.claim(directory);
  try {
    const problems: string[] = [];
    if (keys === undefined) {
      const aside = setAside(directory);
      if (aside !== undefined)
        problems.push(`neither vault.keys nor its copy can be read; what was there lies in ${aside}`);
      keys = KeyStore.create({ disk, clock, secret });
    }
    keys.settle(secret);
    return recover(options, { owner, disk, keys, problems });
  } catch (error) {
    owner.release();
    throw error;
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
  } catch (error) {
    // It is there and cannot be opened now: a vault whose other header is gone, too, must not be set aside for that.
    if (error instanceof Database.SqliteError && /^SQLITE_(CANTOPEN|NOMEM)/.test(error.code))
      throw engineError(error, directory);
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
