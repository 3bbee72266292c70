import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLocalVault, openVault, type Vault } from '@tidegate/nodes/vault';
import Database from 'better-sqlite3';
import { Program } from '../support/process.ts';
import { VaultFolder, journalOf, reading } from '../support/vault.ts';

describe('a vault that others want as well', () => {
  let folder: VaultFolder;

  beforeEach(() => {
    folder = new VaultFolder();
  });

  afterEach(() => folder.remove());

  it('waits with its commits while another process holds the database, answers readers, and loses nothing', async () => {
    const vault = await openVault(folder.options);
    await vault.journal.append({ source: 'a', readings: [reading('x', 0)] });
    const other = new Database(folder.file('vault.db'));
    other.exec('BEGIN IMMEDIATE');
    let acknowledged = 0;
    const appends = Array.from({ length: 50 }, (_, i) =>
      vault.journal.append({ source: 'a', readings: [reading('x', i + 1)] }).then(() => acknowledged++),
    );
    const commit = vault.commit([{ kind: 'document', namespace: 'n', key: 'k', value: 1 }]).then(() => acknowledged++);
    await sleep(300);
    assert.equal(acknowledged, 0);
    assert.equal((await journalOf(vault)).length, 1);
    assert.equal(await vault.documents.get('n', 'k'), undefined);
    other.exec('ROLLBACK');
    other.close();
    await Promise.all([...appends, commit]);
    assert.equal(acknowledged, 51);
    assert.deepEqual(
      (await journalOf(vault)).map(({ value }) => value),
      Array.from({ length: 51 }, (_, i) => i),
    );
    await vault.close();
  });

  it('acknowledges nothing that it could not commit before it was killed', async () => {
    const child = Program.node('appender', 'test/support/vault-child.ts', ['open', folder.directory, folder.key.file]);
    await child.line(/^open/);
    await child.kill();
    const other = new Database(folder.file('vault.db'));
    other.exec('BEGIN IMMEDIATE');
    const appender = Program.node('appender', 'test/support/vault-child.ts', [
      'append',
      folder.directory,
      folder.key.file,
    ]);
    await appender.line(/^open/);
    await sleep(500);
    await appender.kill();
    assert.doesNotMatch(appender.output(), /acknowledged/);
    other.close();
    const vault = await openVault(folder.options);
    assert.deepEqual(await journalOf(vault), []);
    await vault.close();
  });

  it('belongs to one process: the next is told which one has it, until that one is gone', async () => {
    const child = Program.node('owner', 'test/support/vault-child.ts', ['open', folder.directory, folder.key.file]);
    await child.line(/^open/);
    const owned = { code: 'owned', message: new RegExp(`vault .*vault is in use .*pid ${child.pid}`) };
    await assert.rejects(openVault(folder.options), owned);
    await assert.rejects(openLocalVault(folder.options), owned);
    await child.kill();
    const vault = await openVault(folder.options);
    await vault.close();
  });

  it('is shared within a process, and closes with its last user', async () => {
    const vaults: Vault[] = await Promise.all([openVault(folder.options), openVault(folder.options)]);
    assert.equal(vaults[0], vaults[1]);
    await assert.rejects(openLocalVault(folder.options), { code: 'owned' });
    await assert.rejects(openVault({ ...folder.options, key: { env: 'ELSEWHERE' } }), {
      code: 'wrong-key',
      message: /is open with key file .*ELSEWHERE was asked for/,
    });
    await vaults[0].close();
    await vaults[1].commit([{ kind: 'consumer', consumer: 'c', replayFrom: 1 }]);
    const closing = vaults[1].close();
    const again = await openVault(folder.options);
    await closing;
    assert.notEqual(again, vaults[0]);
    await again.commit([{ kind: 'consumer', consumer: 'c', replayFrom: 1 }]);
    await again.close();
  });

  it('opens again after a failed try', async () => {
    await assert.rejects(openVault({ ...folder.options, key: { file: '/nowhere' } }), { code: 'no-key' });
    const vault = await openVault(folder.options);
    await vault.close();
  });

  it('rejects what a full disk refused, keeps what it has, and can be read', async function () {
    if (process.platform === 'win32') this.skip();
    this.timeout(30_000);
    const vault = await openVault(folder.options);
    await vault.close();
    // A limit on the size of files stands for the end of the disk; ignoring SIGXFSZ makes it an error of the write.
    const node = [process.execPath, '--conditions=source', 'test/support/vault-child.ts'];
    const args = ['append', folder.directory, folder.key.file, '1', '2000'];
    const child = new Program('appender', 'sh', [
      '-c',
      `trap '' XFSZ; ulimit -f 1024; exec "$@"`,
      'sh',
      ...node,
      ...args,
    ]);
    await child.line(/^failed/);
    assert.match(child.output(), /^failed (io|disk-full)$/m);
    await sleep(200);
    await child.kill();
    const acknowledged = [...child.output().matchAll(/^acknowledged (\d+) (\d+) (\d+)$/gm)];
    assert.ok(acknowledged.length > 0);
    const again = await openVault(folder.options);
    const values = (await journalOf(again)).map(({ value }) => Number(value));
    for (const [, position, value, count] of acknowledged)
      assert.deepEqual(
        values.slice(Number(position) - 1, Number(position) - 1 + Number(count)),
        Array.from({ length: Number(count) }, (_, i) => Number(value) + i),
      );
    assert.equal(await again.journal.append({ source: 'a', readings: [reading('x', 1)] }), values.length + 1);
    await again.close();
  });
});
