import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Consumer, openLocalVault, type Vault, type VaultNotice } from '@tidegate/nodes/vault';
import { SaveNotices } from '../../../nodes/src/vault/save-notices.ts';
import { eventually } from '../../support/eventually.ts';
import { bulky, gapsOf, numbersIn } from '../../support/room.ts';
import { VaultFolder, journalOf, reading } from '../../support/vault.ts';

const MIB = 1 << 20;

type Wanted = Extract<VaultNotice, { kind: 'saves' }>;

describe('a vault that wants its consumers to save', function () {
  this.timeout(120_000);
  let folder: VaultFolder;
  let vault: Vault;
  let notices: Wanted[];

  beforeEach(() => {
    folder = new VaultFolder();
    notices = [];
  });

  afterEach(async () => {
    await vault.close();
    folder.remove();
  });

  async function open(quotaBytes?: number): Promise<void> {
    const budget = quotaBytes === undefined ? {} : { budget: { quotaBytes, ballastBytes: MIB } };
    vault = await openLocalVault({ ...folder.options, ...budget });
    vault.onChange((notice) => notice.kind === 'saves' && notices.push(notice));
  }

  const keys = async (): Promise<number> => (await vault.keys.status()).journalKeys;

  it('says so after a shred, and lets go of the old key as soon as they have', async () => {
    await open();
    await vault.commit([{ kind: 'consumer', consumer: 'detect:1', replayFrom: 1 }]);
    await vault.commit([{ kind: 'consumer', consumer: 'detect:2', replayFrom: 1 }]);
    const old = [1, 2, 3].map((value) => reading('a', value, { time: Date.UTC(2025, 0, 1) + value }));
    await vault.journal.append({ source: 'door', readings: [...old, reading('a', 4)] });
    const { head } = vault.journal;
    assert.deepEqual(notices, []);
    await vault.keys.shred('2025-02');
    assert.equal(await keys(), 2);
    // Nothing comes in: the vault says it all the same.
    assert.deepEqual(notices, [{ kind: 'saves', name: '', below: head }]);
    await vault.commit([{ kind: 'consumer', consumer: 'detect:1', replayFrom: head }]);
    await eventually('it asks again, for the other one', () => notices.length === 2, 10_000);
    assert.equal(await keys(), 2);
    await vault.commit([{ kind: 'consumer', consumer: 'detect:2', replayFrom: head }]);
    await eventually('the old key is gone', async () => (await keys()) === 1, 10_000);
    assert.deepEqual(await journalOf(vault), []);
    assert.equal((await numbersOf('a')).length, 1);
    // It asks nobody any more.
    const asked = notices.length;
    await sleep(4_000);
    await vault.journal.append({ source: 'door', readings: [reading('a', 5)] });
    assert.equal(notices.length, asked);
  });

  it('says so after a restart, too', async () => {
    await open();
    await vault.commit([{ kind: 'consumer', consumer: 'detect:1', replayFrom: 1 }]);
    await vault.journal.append({ source: 'door', readings: [reading('a', 1)] });
    await vault.keys.shred('1990-01');
    assert.equal(await keys(), 2);
    await vault.close();
    await open();
    notices = [];
    await eventually(
      'a writer is told',
      async () => {
        await vault.commit([{ kind: 'document', namespace: 'n', key: 'k', value: 1 }]);
        return notices.length > 0;
      },
      20_000,
    );
    await vault.commit([{ kind: 'consumer', consumer: 'detect:1', replayFrom: notices[0].below }]);
    await eventually('the old key is gone', async () => (await keys()) === 1, 10_000);
  });

  it('leaves nobody behind who saves when it is wanted, under a small quota', async () => {
    await open(24 * MIB);
    const codec = {
      create: () => ({ seen: 0 }),
      encode: ({ seen }: { seen: number }) => Uint8Array.of(seen % 256),
      decode: () => ({ seen: 0 }),
    };
    const consumer = await Consumer.open(vault, 'detect:1', codec);
    let saving: Promise<unknown> = Promise.resolve();
    let saves = 0;
    vault.onChange((notice) => {
      if (notice.kind !== 'saves') return;
      const save = consumer.save(consumer.unsavedBelow(notice.below), 0);
      saves++;
      saving = vault.commit(save.changes).then(() => save.committed());
    });
    const [count, batch] = [60_000, 500];
    for (let next = 0; next < count; next += batch) {
      const readings = bulky(next, batch);
      const first = await vault.journal.append({ source: 'door', readings });
      for (const [i, one] of readings.entries()) consumer.take({ ...one, position: first + i });
      await sleep(100);
    }
    await saving;
    await vault.fold();
    const gaps = await gapsOf(vault);
    assert.deepEqual(
      gaps.filter(({ cause }) => cause === 'overrun'),
      [],
    );
    assert.ok(saves > 1, `${saves} saves`);
    const lost = gaps.reduce((sum, gap) => sum + gap.count, 0);
    assert.equal((await numbersIn(vault)).size + lost, count);
  });

  async function numbersOf(series: string): Promise<unknown[]> {
    const found: unknown[] = [];
    for await (const page of vault.query({ series: [series] })) found.push(...page.map(({ value }) => value));
    return found;
  }
});

describe('notices that saves are wanted', () => {
  it('come with pauses that grow while they change nothing, and end with the want', async () => {
    const told: number[] = [];
    const timers: { ms: number; callback: () => void }[] = [];
    let wanted: number | undefined = 5;
    const notices = new SaveNotices({
      after: (ms, callback) => {
        const timer = { ms, callback };
        timers.push(timer);
        return () => void timers.splice(timers.indexOf(timer), 1);
      },
      ask: () => Promise.resolve(wanted),
      tell: (below) => told.push(below),
    });
    const pass = async (): Promise<number> => {
      const [{ ms, callback }] = timers.splice(0, 1);
      callback();
      await sleep(0);
      return ms;
    };
    notices.heard(undefined);
    assert.equal(timers.length, 0);
    for (let i = 0; i < 3; i++) notices.heard(5);
    assert.deepEqual(told, [5]);
    assert.deepEqual([await pass(), await pass(), await pass()], [3_000, 6_000, 12_000]);
    assert.deepEqual(told, [5, 5, 5, 5]);
    for (let i = 0; i < 10; i++) await pass();
    assert.equal(timers[0].ms, 300_000);
    wanted = 9;
    await pass();
    assert.deepEqual([told.at(-1), timers[0].ms], [9, 3_000]);
    wanted = undefined;
    await pass();
    assert.equal(timers.length, 0);
    notices.heard(9);
    assert.equal(timers[0].ms, 3_000);
    notices.close();
    notices.heard(10);
    assert.deepEqual([timers.length, told.at(-1)], [0, 9]);
  });
});
