import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import Database from 'better-sqlite3';

import { openForWriting } from '../../cloud-bridge/src/store/sqlite-schema.ts';
import { openSqliteStore } from '../../cloud-bridge/src/store/sqlite-store.ts';
import { describeStore } from './cloud-store.ts';

describeStore('SQLite', async () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-cloud-store-'));
  const file = path.join(directory, 'cloud.db');
  return {
    open: async () => openSqliteStore(file),
    again: async () => openSqliteStore(file),
    dispose: async () => rmSync(directory, { recursive: true, force: true }),
  };
});

describe('SQLite beneath the cloud store', () => {
  let directory: string;
  let file: string;

  beforeEach(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-cloud-store-'));
    file = path.join(directory, 'cloud.db');
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('syncs every commit', () => {
    const db = openForWriting(file);
    // 2 is FULL.
    assert.deepEqual(
      [db.pragma('journal_mode', { simple: true }), db.pragma('synchronous', { simple: true })],
      ['wal', 2],
    );
    db.close();
  });

  it('is not touched when a newer program has made it', () => {
    const db = new Database(file);
    db.pragma('user_version = 99');
    db.close();
    assert.throws(() => openSqliteStore(file), { code: 'newer-database', message: /schema 99/ });
  });

  it('is not touched when a program of before the first release has made it', () => {
    const db = new Database(file);
    db.exec('CREATE TABLE parts (id)');
    db.pragma('user_version = 5');
    db.close();
    const before = readFileSync(file);
    assert.throws(() => openSqliteStore(file), { code: 'bad-database', message: /schema 5, of a version of before/ });
    const after = new Database(file, { readonly: true });
    assert.deepEqual(after.prepare('SELECT name FROM sqlite_master').all(), [{ name: 'parts' }]);
    after.close();
    assert.equal(readFileSync(file).length, before.length);
  });

  it('names a file that is no database, and leaves it as it is', () => {
    writeFileSync(file, 'these are not the pages of a database '.repeat(200));
    const before = readFileSync(file);
    assert.throws(() => openSqliteStore(file), {
      code: 'bad-database',
      message: /cloud\.db cannot be opened: file is not/,
    });
    assert.deepEqual(readFileSync(file), before);
  });

  it('says so when it cannot write now, and can later', async () => {
    const store = openSqliteStore(file, 50);
    const other = new Database(file);
    other.exec('BEGIN IMMEDIATE');
    const records = [{ kind: 'seen', gatewayId: 1 }] as const;
    await assert.rejects(store.merge(records, 1), { code: 'store-unavailable' });
    other.close();
    await store.merge(records, 1);
    await store.close();
  });
});
