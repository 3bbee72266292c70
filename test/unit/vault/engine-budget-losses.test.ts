import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openLocalVault, type Change, type Vault } from '@tidegate/nodes/vault';
import { eventually } from '../../support/eventually.ts';
import { bulky, countOf, gapsOf, numbersIn } from '../../support/room.ts';
import { VaultFolder, reading } from '../../support/vault.ts';

const COUNT = 4_000;

describe('losses that a vault finds or makes', () => {
  let folder: VaultFolder;
  let vault: Vault;

  beforeEach(async () => {
    folder = new VaultFolder();
    vault = await openLocalVault(folder.options);
  });

  afterEach(async () => {
    await vault.close();
    folder.remove();
  });

  async function reopen(change: () => void = () => undefined): Promise<void> {
    await vault.close();
    change();
    vault = await openLocalVault(folder.options);
  }

  const segment = (): string => path.join(folder.file('segments'), readdirSync(folder.file('segments'))[0]);

  const declared = async (count: number): Promise<void> =>
    eventually('it is declared', async () => countOf(await gapsOf(vault), ['damaged']) === count, 5_000);

  it('declares the readings of a broken chunk, once, however often it is met', async () => {
    await vault.journal.append({ source: 'door', readings: bulky(0, COUNT) });
    await vault.fold();
    await reopen(() => {
      const bytes = readFileSync(segment());
      bytes[bytes.length >> 1] ^= 1;
      writeFileSync(segment(), bytes);
    });
    const found = await numbersIn(vault);
    assert.ok(found.size < COUNT && found.size > COUNT / 2);
    await declared(COUNT - found.size);
    const [gap] = await gapsOf(vault);
    assert.equal(gap.what, 'readings');
    const lost = Array.from({ length: COUNT }, (_, i) => i).filter((i) => !found.has(i));
    assert.deepEqual(gap.series, [1 + (lost[0] % 5)]);
    assert.deepEqual(
      [gap.timeFrom, gap.timeTo],
      [lost[0], lost.at(-1)!].map((i) => 1_790_000_000_000 + i * 1_000),
    );
    await reopen();
    assert.equal((await numbersIn(vault)).size, found.size);
    await vault.fold();
    assert.equal(countOf(await gapsOf(vault), ['damaged']), COUNT - found.size);
  });

  it('declares a segment that is gone, once', async () => {
    await vault.journal.append({ source: 'door', readings: bulky(0, COUNT) });
    await vault.fold();
    await reopen(() => rmSync(segment()));
    await declared(COUNT);
    assert.deepEqual((await gapsOf(vault))[0].positions, [1, COUNT]);
    await reopen();
    await vault.fold();
    assert.equal(countOf(await gapsOf(vault), ['damaged']), COUNT);
  });

  it('declares the readings that a shred takes', async () => {
    const old = Date.UTC(2025, 2, 10);
    const now = Date.UTC(2026, 9, 10);
    const readings = [0, 1, 2, 3].map((i) => reading('a', i, { time: (i < 3 ? old : now) + i }));
    await vault.journal.append({ source: 'door', readings });
    await vault.fold();
    await vault.keys.shred('2026-01');
    const gaps = await gapsOf(vault);
    assert.deepEqual(
      gaps.map(({ cause, what, count, timeFrom, timeTo }) => ({ cause, what, count, timeFrom, timeTo })),
      [{ cause: 'shredded', what: 'readings', count: 3, timeFrom: old, timeTo: old + 2 }],
    );
    const found: unknown[] = [];
    for await (const page of vault.query({ series: ['a'] })) found.push(...page.map(({ value }) => value));
    assert.deepEqual(found, [3]);
  });

  it('declares blocks by number and alerts that a shred takes, and drops them', async () => {
    await vault.close();
    let wall = Date.UTC(2025, 2, 10);
    vault = await openLocalVault(folder.options, { now: () => wall, monotonic: () => performance.now() });
    const body = Buffer.from('sealed in March');
    const made = (id: string): Change[] => [
      { kind: 'block', stream: 'operations/60', body },
      { kind: 'alert', id, revision: 1, body },
    ];
    await vault.commit([...made('a'), ...made('b')]);
    wall = Date.UTC(2026, 9, 10);
    await vault.commit(made('c'));
    await vault.keys.shred('2026-01');
    const gaps = await gapsOf(vault);
    assert.deepEqual(
      gaps.map(({ cause, what, count, blocks }) => ({ cause, what, count, blocks })),
      [
        { cause: 'shredded', what: 'blocks', count: 2, blocks: [[1, 2]] },
        { cause: 'shredded', what: 'alerts', count: 2, blocks: undefined },
      ],
    );
    const left = await vault.outbox.peek('operations/60', 'oldest', [], 1_000_000);
    assert.deepEqual(
      left.map(({ number }) => number),
      [3],
    );
    assert.equal((await vault.outbox.alerts(10, new Set())).length, 1);
  });
});
