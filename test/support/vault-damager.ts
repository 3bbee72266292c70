/** Overwrites the root page of a table, as a failing card would: `DIRECTORY TABLE`. Its own process, so that no lock is touched. */
import { closeSync, openSync, writeSync } from 'node:fs';
import Database from 'better-sqlite3';
import { databaseWith } from './vault-files.ts';

const [directory, table] = process.argv.slice(2);
const file = databaseWith(directory, table);
const db = new Database(file, { readonly: true });
const root = db.prepare<unknown[], number>('SELECT rootpage FROM sqlite_schema WHERE name = ?').pluck().get(table) ?? 0;
const size = Number(db.pragma('page_size', { simple: true }));
db.close();
const fd = openSync(file, 'r+');
writeSync(fd, Buffer.alloc(size, 0xff), 0, size, (root - 1) * size);
closeSync(fd);
