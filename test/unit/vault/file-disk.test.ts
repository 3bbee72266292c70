import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FileDisk } from '../../../nodes/src/vault/file-disk.ts';
import { journalRecord, openJournal, recordsOf } from '../../support/journal.ts';

describe('FileDisk', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'tidegate-disk-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('makes its directory with the first file, for the owner alone', function () {
    const disk = new FileDisk(path.join(root, 'a')).below('b');
    assert.deepEqual(disk.names(), []);
    disk.sync();
    disk.remove('nothing');
    assert.equal(existsSync(path.join(root, 'a')), false);
    const file = disk.create('one');
    file.write(3, Uint8Array.of(1, 2));
    file.sync();
    disk.sync();
    file.close();
    if (process.platform !== 'win32') {
      assert.equal(statSync(path.join(root, 'a')).mode & 0o777, 0o700);
      assert.equal(statSync(path.join(root, 'a/b')).mode & 0o777, 0o700);
      assert.equal(statSync(path.join(root, 'a/b/one')).mode & 0o777, 0o600);
    }
    assert.deepEqual(disk.names(), ['one']);
  });

  it('reads what was written, and less at the end', () => {
    const disk = new FileDisk(root);
    const file = disk.create('one');
    file.write(2, Uint8Array.of(1, 2, 3));
    assert.equal(file.size, 5);
    assert.deepEqual([...file.read(0, 100)], [0, 0, 1, 2, 3]);
    assert.deepEqual([...file.read(4, 2)], [3]);
    assert.deepEqual([...file.read(9, 2)], []);
    file.close();
    disk.rename('one', 'two');
    const again = disk.open('two');
    assert.equal(again.size, 5);
    again.close();
    disk.create('two').close();
    assert.equal(disk.open('two').size, 0);
    disk.remove('two');
    assert.deepEqual(disk.names(), []);
  });

  it('lists files, not directories', () => {
    const disk = new FileDisk(root);
    disk.create('b').close();
    disk.create('a').close();
    disk.below('c').create('d').close();
    assert.deepEqual(disk.names(), ['a', 'b']);
  });

  it('says in its own words what went wrong', () => {
    const disk = new FileDisk(root);
    assert.throws(() => disk.open('nothing'), { name: 'TideError', code: 'io', message: /nothing cannot be opened/ });
    assert.throws(() => disk.rename('nothing', 'else'), { code: 'io' });
    for (const name of ['', '.', '..', 'a/b', 'a\0']) assert.throws(() => disk.open(name), { code: 'io' }, name);
    const file = disk.create('one');
    file.close();
    file.close();
    assert.throws(() => file.read(0, 1), { code: 'io' });
    assert.throws(() => file.write(0, Uint8Array.of(1)), { code: 'io', message: /closed/ });
    writeFileSync(path.join(root, 'plain'), '');
    assert.throws(() => new FileDisk(path.join(root, 'plain')).names(), { code: 'io' });
    assert.throws(() => disk.below('plain').create('x'), { code: 'io' });
  });

  it('tells a full disk from a broken one', function () {
    // Only Linux has a device that is always full.
    if (process.platform !== 'linux') this.skip();
    const full = new FileDisk('/dev').open('full');
    assert.throws(() => full.write(0, Uint8Array.of(1)), { code: 'disk-full' });
    full.close();
  });

  it('syncs later, also when the file is closed meanwhile', async () => {
    const disk = new FileDisk(root);
    const file = disk.create('one');
    file.write(0, new Uint8Array(10_000));
    await file.syncLater();
    const syncs = [file.syncLater(), file.syncLater()];
    file.close();
    await Promise.all(syncs);
    await assert.rejects(file.syncLater(), { code: 'io' });
  });

  it('carries a journal', () => {
    const disk = new FileDisk(path.join(root, 'journal'));
    const written = Array.from({ length: 40 }, (_, i) => journalRecord(1 + 3 * i, 3, [100 * i, 7]));
    const { log } = openJournal(disk);
    for (const record of written) {
      log.append(record);
      log.prepare();
    }
    log.release(20);
    log.close();
    const again = openJournal(new FileDisk(path.join(root, 'journal')));
    assert.deepEqual(again.findings, []);
    assert.deepEqual([...again.log.verify()], []);
    assert.equal(again.log.last, 40);
    for (const [number, record] of recordsOf(again.log)) assert.deepEqual(record, written[number - 1]);
    again.log.close();
  });
});
