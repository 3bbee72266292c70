import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import Database from 'better-sqlite3';

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

  it('syncs every commit', async () => {
    const store = openSqliteStore(file);
    await store.close();
    const db = new Database(file);
    assert.equal(db.pragma('journal_mode', { simple: true }), 'wal');
    db.close();
  });

  it('is not touched when a newer program has made it', () => {
    const db = new Database(file);
    db.pragma('user_version = 99');
    db.close();
    assert.throws(() => openSqliteStore(file), { code: 'newer-database', message: /schema 99/ });
  });

  it('says that it cannot take more when the disk is full', async () => {
    const store = openSqliteStore(file);
    const gatewayId = 1;
    const db = new Database(file);
    db.exec('BEGIN IMMEDIATE');
    try {
      // A lock that does not go away is what a stuck process looks like; the wait for it is bounded.
      await assert.rejects(store.merge([{ kind: 'seen', gatewayId }], 1), { code: 'store-unavailable' });
    } finally {
      db.close();
      await store.close();
    }
  });
});
