import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLocalVault, openVault, type Vault } from '@tidegate/nodes/vault';
import { eventually } from '../support/eventually.ts';
import { Program } from '../support/process.ts';
import { ERRNO, OPERATION, Shim } from '../support/shim.ts';
import { VaultFolder, journalOf, reading } from '../support/vault.ts';

describe('a vault that others want as well', function () {
  this.timeout(30_000);
  let folder: VaultFolder;

  beforeEach(() => {
    folder = new VaultFolder();
  });

  afterEach(() => folder.remove());

  const child = (what: string, disk: Shim, ...more: string[]): Program =>
    Program.node('vault', 'test/support/vault-child.ts', [what, folder.directory, folder.key.file, ...more], {
      env: disk.environment,
    });

  it('waits with its commits while nothing comes to the disk, and loses nothing', async () => {
    const disk = new Shim({ directory: folder.directory });
    const owner = child('burst', disk);
    try {
      await owner.line(/^open/);
      disk.hold();
      owner.child.kill('SIGUSR2');
      await disk.holds();
      await sleep(300);
      assert.doesNotMatch(owner.output(), /^done/m);
      disk.release();
      assert.equal(await owner.ended(), 0);
      assert.equal(owner.output().match(/^done$/gm)?.length, 51);
      const seen = [...owner.output().matchAll(/^readings (\d+) document (\w+)$/gm)];
      assert.deepEqual(seen.at(-1)?.slice(1), ['51', '1']);
      const vault = await openVault(folder.options);
      assert.deepEqual(
        (await journalOf(vault)).map(({ value }) => value),
        Array.from({ length: 51 }, (_, i) => i),
      );
      await vault.close();
    } finally {
      await owner.kill();
      disk.close();
    }
  });

  it('acknowledges nothing while nothing comes to the disk, and has what it acknowledged before', async () => {
    const disk = new Shim({ directory: folder.directory });
    const appender = child('append', disk);
    try {
      await appender.line(/^acknowledged/);
      disk.hold();
      await disk.holds();
      // What was synced before is acknowledged still.
      await sleep(200);
      const before = acknowledgedBy(appender);
      await sleep(400);
      await appender.kill();
      assert.deepEqual(acknowledgedBy(appender), before);
      await holdsAll(before);
    } finally {
      await appender.kill();
      disk.close();
    }
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

  it('rejects what a full disk refused, keeps what it has, and goes on once there is room', async function () {
    this.timeout(30_000);
    const disk = new Shim({ directory: folder.directory });
    const appender = child('append', disk, '1', '2000');
    try {
      await appender.line(/^acknowledged/);
      disk.fail(OPERATION.write | OPERATION.create | OPERATION.resize, ERRNO.ENOSPC, 5);
      assert.equal(await appender.line(/^failed/), 'failed disk-full');
      const full = acknowledgedBy(appender).length;
      disk.succeed();
      await eventually('it goes on', () => acknowledgedBy(appender).length > full + 3);
      await appender.kill();
      assert.doesNotMatch(appender.output(), /^failed (?!disk-full)/m);
      await holdsAll(acknowledgedBy(appender));
    } finally {
      await appender.kill();
      disk.close();
    }
  });

  /** Everything acknowledged is there, and what nobody knows about is there in whole batches. */
  async function holdsAll(acknowledged: readonly Acknowledged[]): Promise<void> {
    assert.ok(acknowledged.length > 0);
    const vault = await openVault(folder.options);
    const values = (await journalOf(vault)).map(({ value }) => Number(value));
    for (const { position, from, count } of acknowledged)
      assert.deepEqual(
        values.slice(position - 1, position - 1 + count),
        Array.from({ length: count }, (_, i) => from + i),
      );
    assert.equal(new Set(values).size, values.length, 'a reading is there twice');
    assert.equal(values.length % acknowledged[0].count, 0, 'a batch is not whole');
    assert.equal(await vault.journal.append({ source: 'a', readings: [reading('x', 1)] }), values.length + 1);
    await vault.close();
  }
});

interface Acknowledged {
  position: number;
  from: number;
  count: number;
}

function acknowledgedBy(program: Program): Acknowledged[] {
  return [...program.output().matchAll(/^acknowledged (\d+) (\d+) (\d+)$/gm)].map(([, position, from, count]) => ({
    position: Number(position),
    from: Number(from),
    count: Number(count),
  }));
}
