import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { openLocalVault } from '@tidegate/nodes/vault';
import { root } from '../support/process.ts';
import { ERRNO, OPERATION, Shim } from '../support/shim.ts';
import { VaultFolder } from '../support/vault.ts';
import { ENTRY, readLog, type LogEntry } from './campaign/vault/disk-log.ts';
import { Layout, filesBelow, type StoredFile } from './campaign/vault/layout.ts';
import { Random } from './campaign/random.ts';
import { RecordedDisk } from './campaign/vault/recorded-disk.ts';

const DOCUMENTS = 300;
const CUTS = 16;

describe('a sync of the catalogue that failed, and a power cut later', function () {
  this.timeout(60_000);
  let folder: VaultFolder;
  let log: string;

  beforeEach(async () => {
    folder = new VaultFolder();
    log = path.join(folder.root, 'log');
    await (await openLocalVault(folder.options)).close();
  });

  afterEach(() => folder.remove());

  /** Runs test/support/failed-sync-child.ts; its `nth` sync fails once it is ready. */
  async function failing(how: string, nth: number): Promise<void> {
    const shim = new Shim({ directory: folder.directory, log });
    const script = path.join(root, 'test/support/failed-sync-child.ts');
    const args = ['--conditions=source', script, folder.directory, folder.key.file, how];
    const child = spawn(process.execPath, args, { env: { ...process.env, ...shim.environment } });
    let output = '';
    child.stderr.on('data', (data) => (output += String(data)));
    try {
      const ended = once(child, 'exit');
      await Promise.race([once(child.stdout, 'data'), ended]);
      child.stdout.on('data', (data) => (output += String(data)));
      shim.fail(OPERATION.sync, ERRNO.EIO, nth, 1);
      child.stdin.end('go\n');
      assert.deepEqual(await ended, [0, null], output);
      assert.match(output, /^not settled: /, output);
    } finally {
      child.kill('SIGKILL');
      shim.close();
    }
  }

  /** Cuts the power at many places after the sync that failed: nothing is missing, and the catalogue is made again. */
  async function staysWhole(how: string, nth: number, file: string): Promise<void> {
    const layout = new Layout(folder.directory, path.join(folder.root, 'inodes'));
    const before = filesBelow(folder.directory);
    const inode = statSync(folder.directory, { bigint: true }).ino;
    await failing(how, nth);
    const mark = folder.file('vault.damaged');
    assert.ok(existsSync(mark), 'the next process is told');
    layout.keep();
    const entries = readLog(log);
    const failed = entries.findIndex(({ entry, result }) => entry === ENTRY.syncEnd && result !== 0);
    assert.equal(nameOf(entries, before, entries[failed].inode), file);
    let made = 0;
    for (let turn = 0; turn < CUTS; turn++) {
      // What the failed sync lost is another thing each time.
      const disk = new RecordedDisk(folder.directory, before, inode, `lost ${turn}`);
      const place = failed + 1 + Math.round(((entries.length - failed - 1) * turn) / (CUTS - 1));
      for (const entry of entries.slice(0, place)) disk.take(entry);
      layout.put(disk.cut(new Random(`cut ${turn}`)));
      const vault = await openLocalVault(folder.options);
      try {
        const { damaged, problems } = await vault.stats();
        assert.equal(damaged, 0, `cut at ${place}, after ${failed}`);
        for (const problem of problems)
          assert.match(problem, /^catalogue\.db is damaged \(the disk failed while it was written: .*was made again$/);
        made += problems.length;
        for (let i = 0; i < DOCUMENTS; i++)
          assert.equal(await vault.documents.get('n', `${i}`), `${i} `.repeat(50), `document ${i}, cut at ${place}`);
      } finally {
        await vault.close();
      }
      assert.ok(!existsSync(mark), 'what was made again is not in doubt');
    }
    assert.ok(made > CUTS / 2, `made again after ${made} of ${CUTS} cuts`);
  }

  // Of a turn the first sync is that of the directory, the second the log's, the third the database's.
  it('of its log, when the process closes', () => staysWhole('once', 2, 'catalogue.db-wal'));

  it('of its log, when it is tried again', () => staysWhole('twice', 2, 'catalogue.db-wal'));

  it('of the database, when a part had been copied before', () => staysWhole('in-parts', 3, 'catalogue.db'));
});

function nameOf(entries: readonly LogEntry[], before: readonly StoredFile[], inode: bigint): string | undefined {
  const created = entries.findLast((one) => one.entry === ENTRY.create && one.inode === inode)?.paths[0];
  const found = created ?? before.find((one) => one.inode === inode)?.path;
  return found === undefined ? undefined : path.basename(found);
}
