import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { syncDirectory } from '../keys/file-header.ts';
import { CatalogueSum } from './file-sum.ts';
import { DATABASE_FILE } from './sqlite-schema.ts';

/** Left by a process whose catalogue turned out damaged, or may not be on the disk; the next start makes it again. */
const DAMAGE_MARK = 'vault.damaged';
const CATALOGUE_FILES = [DATABASE_FILE, `${DATABASE_FILE}-wal`, `${DATABASE_FILE}-shm`, DAMAGE_MARK, CatalogueSum.FILE];

/** Notes for the next start that the catalogue cannot be trusted. It is on the disk when this returns. */
export function markDamaged(directory: string, reason: string): void {
  writeFileSync(path.join(directory, DAMAGE_MARK), `${reason}\n`, { mode: 0o600, flush: true });
  syncDirectory(directory);
}

/** The reason that was noted. */
export function damageMarked(directory: string): string | undefined {
  const mark = path.join(directory, DAMAGE_MARK);
  return existsSync(mark) ? readFileSync(mark, 'utf8').slice(0, 500).trim() : undefined;
}

/** Moves the database into a new folder `damaged-<time>`; returns its path. */
export function setAside(directory: string): string {
  const aside = path.join(directory, `damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`);
  mkdirSync(aside, { recursive: true, mode: 0o700 });
  for (const name of CATALOGUE_FILES) {
    const file = path.join(directory, name);
    if (existsSync(file)) renameSync(file, path.join(aside, name));
  }
  return aside;
}
