import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Reading } from '@tidegate/nodes/reading';
import { Consumer, deliveriesOf, openLocalVault, type StateCodec, type Vault } from '@tidegate/nodes/vault';

/** State: the sum of the values. */
const sums: StateCodec<{ sum: number }> = {
  create: () => ({ sum: 0 }),
  encode: ({ sum }) => Buffer.from(String(sum)),
  decode: (bytes) => {
    const sum = Number(Buffer.from(bytes).toString());
    return Number.isNaN(sum) ? undefined : { sum };
  },
};

function take(consumer: Consumer<{ sum: number }>, readings: readonly Reading[]): void {
  for (const reading of readings) {
    const state = consumer.take(reading);
    if (state !== undefined) state.sum += Number(reading.value);
  }
}

const sumsOf = (consumer: Consumer<{ sum: number }>): Record<string, number> =>
  Object.fromEntries([...consumer.states()].map(([name, { sum }]) => [name, sum]));

describe('Consumer', () => {
  let folder: string;
  let vault: Vault;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'tidegate-consumer-'));
    await writeFile(path.join(folder, 'key'), randomBytes(32).toString('hex'), { mode: 0o600 });
    vault = await open();
  });
  afterEach(async () => {
    await vault.close();
    await rm(folder, { recursive: true });
  });

  const open = (): Promise<Vault> =>
    openLocalVault({ directory: path.join(folder, 'vault'), key: { file: path.join(folder, 'key') } });

  /** Commits one reading of value 1 for each name. */
  async function append(...names: string[]): Promise<Reading[]> {
    const readings = names.map((series): Reading => ({
      series,
      time: 1_760_000_000_000,
      value: 1,
      quality: 'good',
      clock: 'device',
    }));
    const first = await vault.journal.append({ source: 'door', readings });
    return readings.map((reading, i) => ({ ...reading, position: first + i }));
  }

  async function save(consumer: Consumer<{ sum: number }>, ...names: string[]): Promise<void> {
    const saved = consumer.save(names, 1);
    await vault.commit(saved.changes);
    saved.committed();
  }

  /** What a restart makes of it: everything from the low-watermark on is read again. */
  async function restart(): Promise<Consumer<{ sum: number }>> {
    await vault.close();
    vault = await open();
    const consumer = await Consumer.open(vault, 'node', sums);
    const { readings } = await vault.journal.read(await vault.checkpoints.replayFrom(), 1000);
    take(consumer, readings);
    return consumer;
  }

  it('is known to the vault from its first start, and reads from the oldest reading', async () => {
    await append('a', 'b');
    await Consumer.open(vault, 'node', sums);
    assert.equal((await vault.checkpoints.load('node'))?.replayFrom, 1);
    assert.equal(await vault.checkpoints.replayFrom(), 1);
    assert.deepEqual(sumsOf(await restart()), { a: 1, b: 1 });
  });

  it('takes each reading once, also when it comes twice', async () => {
    const consumer = await Consumer.open(vault, 'node', sums);
    const readings = await append('a', 'b', 'a');
    take(consumer, readings);
    take(consumer, readings);
    assert.deepEqual(sumsOf(consumer), { a: 2, b: 1 });
    assert.equal(consumer.skipped, 3);
  });

  it('counts every reading once across a restart, whatever part of it was saved', async () => {
    const consumer = await Consumer.open(vault, 'node', sums);
    take(consumer, await append('a', 'b', 'a', 'c'));
    await save(consumer, 'a');
    assert.equal((await vault.checkpoints.load('node'))?.replayFrom, 2, 'b is not saved yet');
    take(consumer, await append('a', 'b'));
    await save(consumer, 'b');
    assert.equal((await vault.checkpoints.load('node'))?.replayFrom, 4, 'c is not saved yet');
    const again = await restart();
    assert.deepEqual(sumsOf(again), { a: 3, b: 2, c: 1 });
    await save(again, 'a', 'b', 'c');
    assert.equal((await vault.checkpoints.load('node'))?.replayFrom, vault.journal.head);
  });

  it('reads again what a failed save did not bring to the disk', async () => {
    const consumer = await Consumer.open(vault, 'node', sums);
    take(consumer, await append('a', 'b'));
    const lost = consumer.save(['a'], 1);
    lost.failed();
    await save(consumer, 'b');
    assert.equal((await vault.checkpoints.load('node'))?.replayFrom, 1);
    assert.deepEqual(consumer.due(Number.MAX_SAFE_INTEGER, 0, 10), ['a']);
    assert.deepEqual(sumsOf(await restart()), { a: 1, b: 1 });
  });

  it('does not pass a save that is still under way, even when a later one of the same series has ended', async () => {
    const consumer = await Consumer.open(vault, 'node', sums);
    take(consumer, await append('a'));
    const first = consumer.save(['a'], 1);
    take(consumer, await append('a'));
    const second = consumer.save(['a'], 2);
    first.committed();
    // The second is not on the disk: another series' save must leave the watermark at its reading.
    take(consumer, await append('b'));
    await save(consumer, 'b');
    assert.equal((await vault.checkpoints.load('node'))?.replayFrom, 2);
    second.failed();
    await save(consumer, 'b');
    assert.equal((await vault.checkpoints.load('node'))?.replayFrom, 2);
  });

  it('does not pass what a slower door has yet to bring', async () => {
    const consumer = await Consumer.open(vault, 'node', sums);
    const [slow, quick] = await append('slow', 'quick');
    let undelivered: number | undefined = slow.position;
    deliveriesOf(vault).watch('slow door', () => undelivered);
    take(consumer, [quick]);
    await save(consumer, 'quick');
    assert.equal((await vault.checkpoints.load('node'))?.replayFrom, 1);
    take(consumer, [slow]);
    undelivered = undefined;
    await save(consumer, 'slow');
    assert.equal((await vault.checkpoints.load('node'))?.replayFrom, 3);
  });

  it('saves a series that a tick has changed', async () => {
    const consumer = await Consumer.open(vault, 'node', sums);
    take(consumer, await append('a'));
    await save(consumer, 'a');
    assert.deepEqual(consumer.due(10, 5, 10), []);
    consumer.state('a')!.sum = 7;
    consumer.touch('a');
    assert.deepEqual(consumer.due(10, 5, 10), ['a']);
    await save(consumer, 'a');
    assert.deepEqual(sumsOf(await restart()), { a: 7 });
  });

  it('gives those that wait longest first', async () => {
    const consumer = await Consumer.open(vault, 'node', sums);
    take(consumer, await append('a', 'b', 'c'));
    for (const [name, at] of [
      ['b', 100],
      ['a', 200],
      ['c', 300],
    ] as const)
      consumer.save([name], at).committed();
    take(consumer, await append('a', 'b', 'c'));
    assert.deepEqual(consumer.due(1000, 750, 10), ['b', 'a']);
    assert.deepEqual(consumer.due(1000, 0, 2), ['b', 'a']);
  });

  it('refuses a reading that is in no journal', async () => {
    const consumer = await Consumer.open(vault, 'node', sums);
    assert.throws(
      () => consumer.take({ series: 'a', time: 0, value: 1, quality: 'good', clock: 'device' }),
      /without a journal position/,
    );
  });

  it('starts a series afresh whose state is of a version that is no longer read', async () => {
    const consumer = await Consumer.open(vault, 'node', sums);
    take(consumer, await append('a'));
    consumer.state('a')!.sum = Number.NaN;
    await save(consumer, 'a');
    assert.deepEqual(sumsOf(await restart()), {});
  });
});
