import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { Catalogue } from '../../../nodes/src/vault/catalogue/sqlite-catalogue.ts';
import { SnapshotWriter, boxesOf, snapshotRecord } from '../../../nodes/src/vault/catalogue/sqlite-snapshot.ts';
import { BlockFiles } from '../../../nodes/src/vault/engine/block-files.ts';
import { BASE_KEY } from '../../../nodes/src/vault/keys/key-numbers.ts';
import { freshKeys, ringOf } from '../../../nodes/src/vault/keys/keys.ts';
import { Sealer } from '../../../nodes/src/vault/keys/sealed.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';

const RECORD = 7;

describe('a snapshot that the disk does not give', () => {
  const ring = ringOf(freshKeys(randomBytes(32).toString('hex'), 0));
  const store = { keys: ring, sealer: new Sealer(ring, randomBytes(16)), monthKey: () => BASE_KEY };
  let directory: string;
  let state: SimulatedDisk;
  let files: BlockFiles;

  beforeEach(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'tidegate-snapshot-'));
    state = new SimulatedDisk();
    files = new BlockFiles(new SimulatedDisk());
    const { catalogue } = Catalogue.open(directory, state, store, files);
    catalogue.begin();
    catalogue.setMeta('kept', Buffer.from('this'));
    catalogue.flush(RECORD);
    const writer = new SnapshotWriter(path.join(directory, 'catalogue.db'), state, store.sealer, 1, RECORD);
    while (!writer.step());
    await writer.finish();
    writer.publish();
    catalogue.close();
    for (const name of ['catalogue.db', 'catalogue.db-wal', 'catalogue.db-shm'])
      rmSync(path.join(directory, name), { force: true });
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  it('for a moment is restored from at the next start, and nothing passes for a catalogue meanwhile', () => {
    for (let i = 0; i < 2; i++) {
      state.fail('open', 1, 'io');
      assert.throws(() => Catalogue.open(directory, state, store, files), { code: 'io' });
      // Tables and rows come at once or, as at a kill in between, not at all.
      const db = new Database(path.join(directory, 'catalogue.db'));
      assert.equal(db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get(), 0);
      db.close();
    }
    const { catalogue, lossy } = Catalogue.open(directory, state, store, files);
    assert.deepEqual([catalogue.meta('kept')?.toString(), catalogue.applied, lossy], ['this', RECORD, false]);
    catalogue.close();
  });

  it('a block of costs a box, and does not keep the vault from opening', () => {
    const all = [...boxesOf(state, store.sealer, 1)].length;
    assert.ok(all >= 3);
    // Listing and opening count as reads; then come the length and the body of each box.
    state.fail('read', 3, 'io');
    assert.equal(snapshotRecord(state, store.sealer), 0);
    state.fail('read', 5, 'io');
    assert.deepEqual(
      [...boxesOf(state, store.sealer, 1)].map((box) => box === undefined),
      Array.from({ length: all }, (_, i) => i === 1),
    );
    state.fail('open', 1, 'io');
    assert.throws(() => snapshotRecord(state, store.sealer), { code: 'io' });
  });
});

describe('the sum of a catalogue', () => {
  const ring = ringOf(freshKeys(randomBytes(32).toString('hex'), 0));
  const store = { keys: ring, sealer: new Sealer(ring, randomBytes(16)), monthKey: () => BASE_KEY };

  it('does not vouch for a file that was copied into at the close, where nothing of the journal came', () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'tidegate-sum-'));
    const open = () => Catalogue.open(directory, new SimulatedDisk(), store, new BlockFiles(new SimulatedDisk()));
    try {
      const { catalogue } = open();
      catalogue.begin();
      catalogue.flush(RECORD);
      catalogue.checkpoint();
      catalogue.begin();
      catalogue.setMeta('more', Buffer.from('that'));
      catalogue.flush(RECORD);
      // The disk was full when it was to be copied.
      catalogue.close();
      const { catalogue: again, problems } = open();
      assert.deepEqual([again.meta('more')?.toString(), problems], ['that', []]);
      again.close();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
