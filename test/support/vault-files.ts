import { closeSync, openSync, readSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';

/** Names of all files below a vault's directory, sorted. */
export function vaultFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(path.join(directory, name)).isFile())
    .sort();
}

/** The SQLite database below a directory that has a table. */
export function databaseWith(directory: string, table: string): string {
  for (const name of vaultFiles(directory)) {
    const file = path.join(directory, name);
    if (!isDatabase(file)) continue;
    const db = new Database(file, { readonly: true });
    try {
      if (db.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(table) !== undefined) return file;
    } finally {
      db.close();
    }
  }
  throw new Error(`no database below ${directory} has a table "${table}"`);
}

export function isDatabase(file: string): boolean {
  const head = Buffer.alloc(16);
  const fd = openSync(file, 'r');
  readSync(fd, head, 0, 16, 0);
  closeSync(fd);
  return head.toString('latin1') === 'SQLite format 3\0';
}
