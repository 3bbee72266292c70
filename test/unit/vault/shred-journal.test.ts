import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import type { Reading } from '@tidegate/nodes/reading';
import { openLocalVault, rebuildVault, type Vault } from '@tidegate/nodes/vault';
import { bulky } from '../../support/room.ts';
import { VaultFolder, journalOf, reading } from '../../support/vault.ts';
import { effectBoxes, openBox } from '../../../nodes/src/vault/engine/boxes.ts';

const COUNT = 300;
const [JANUARY, FEBRUARY, MARCH] = [0, 1, 2].map((month) => Date.UTC(2025, month, 1));

/** Readings of two series by turns; odd ones are of another month, so that no part of a record is of one month alone. */
const mixed = (even: number, odd: number, from = 0): Reading[] =>
  Array.from({ length: COUNT }, (_, i) =>
    reading(`s${i % 2}`, from + i, { time: (i % 2 === 0 ? even : odd) + i * 1_000 }),
  );

describe('what a shred destroyed, where the journal still holds it', () => {
  let folder: VaultFolder;
  let vault: Vault;

  beforeEach(async () => {
    folder = new VaultFolder();
    vault = await openLocalVault(folder.options);
    // It never reads on, so the journal lets go of nothing.
    await vault.commit([{ kind: 'consumer', consumer: 'detect:1', replayFrom: 1 }]);
  });

  afterEach(async () => {
    await vault.close();
    folder.remove();
  });

  async function queried(): Promise<Reading[]> {
    const found: Reading[] = [];
    for await (const page of vault.query({ series: ['s0', 's1'] })) found.push(...page);
    return found;
  }

  async function cutOut(): Promise<Reading[]> {
    const cut = await vault.cut();
    const found: Reading[] = [];
    for await (const parts of cut.journal(1)) for (const { readings } of parts) found.push(...readings);
    await cut.close();
    return found;
  }

  /** Whichever way readings are asked for, these are there, byte for byte. */
  async function assertLeft(expected: readonly Reading[]): Promise<void> {
    assert.deepEqual(await journalOf(vault, undefined, 70), expected);
    assert.deepEqual(await journalOf(vault, 'door', 1_000), expected);
    assert.deepEqual(await cutOut(), expected);
    // Values are positions here.
    assert.deepEqual(
      (await queried()).toSorted((a, b) => Number(a.value) - Number(b.value)),
      expected.map(({ position: _position, ...rest }) => rest),
    );
  }

  const reopen = async (): Promise<void> => {
    await vault.close();
    vault = await openLocalVault(folder.options);
  };

  it('is not read from there, and everything else is, also after a restart, a crash and a rebuild', async () => {
    for (const [even, odd] of [
      [JANUARY, JANUARY],
      [JANUARY, MARCH],
      [MARCH, FEBRUARY],
    ])
      await vault.journal.append({ source: 'door', readings: mixed(even, odd, vault.journal.head) });
    const kept = (await journalOf(vault)).filter(({ time }) => time >= MARCH);
    assert.equal(kept.length, COUNT);
    await vault.keys.shred('2025-03');
    await assertLeft(kept);

    // A late reading of a destroyed month is a new one.
    await vault.journal.append({ source: 'door', readings: mixed(JANUARY, MARCH, vault.journal.head) });
    const late = (await journalOf(vault)).filter(({ position }) => position! > 3 * COUNT);
    assert.equal(late.length, COUNT);
    await assertLeft([...kept, ...late]);
    await reopen();
    await assertLeft([...kept, ...late]);

    const crashed = path.join(folder.root, 'crashed');
    cpSync(folder.directory, crashed, { recursive: true });
    await vault.close();
    rmSync(folder.directory, { recursive: true });
    cpSync(crashed, folder.directory, { recursive: true });
    vault = await openLocalVault(folder.options);
    await assertLeft([...kept, ...late]);

    // The snapshot of a later fold knows it as well, and the journal's own record of it may be gone then.
    await vault.fold();
    await vault.close();
    await rebuildVault(folder.options);
    vault = await openLocalVault(folder.options);
    await assertLeft([...kept, ...late]);

    // The next one takes the late ones of January, too, and an older one that comes last brings nothing back.
    await vault.keys.shred('2025-02');
    const left = [...kept, ...late].filter(({ time }) => time >= FEBRUARY);
    assert.equal(left.length, COUNT + COUNT / 2);
    await assertLeft(left);
    await vault.keys.shred('2025-01');
    await reopen();
    await assertLeft(left);
  });

  it('is not counted any more, also after a restart, a rebuild and a second shred', async () => {
    await vault.journal.append({ source: 'door', readings: mixed(JANUARY, FEBRUARY) });
    await vault.journal.append({ source: 'door', readings: mixed(JANUARY, MARCH, COUNT + 1) });
    await vault.fold();
    const counted = async (): Promise<unknown[]> => {
      const { readings, oldestReadingTime, segments } = await vault.stats();
      assert.equal((await queried()).length, readings);
      return [readings, oldestReadingTime, segments];
    };
    assert.deepEqual(await counted(), [2 * COUNT, JANUARY, 1]);
    await vault.keys.shred('2025-02');
    const afterFirst = [COUNT, FEBRUARY + 1_000, 1];
    assert.deepEqual(await counted(), afterFirst);
    await reopen();
    assert.deepEqual(await counted(), afterFirst);
    // Its snapshot is older than the shred.
    await vault.close();
    await rebuildVault(folder.options);
    vault = await openLocalVault(folder.options);
    assert.deepEqual(await counted(), afterFirst);
    // Without a row the entry is read out of the segment, which knows nothing of the shred.
    await vault.close();
    const db = new Database(folder.file('catalogue.db'));
    assert.equal(db.prepare('DELETE FROM segments').run().changes, 1);
    db.close();
    rmSync(folder.file('catalogue.sum'));
    vault = await openLocalVault(folder.options);
    assert.deepEqual(await counted(), afterFirst);
    await vault.keys.shred('2025-03');
    assert.deepEqual(await counted(), [COUNT / 2, MARCH + 1_000, 1]);
    await reopen();
    assert.deepEqual(await counted(), [COUNT / 2, MARCH + 1_000, 1]);
    await vault.keys.shred('2025-04');
    assert.deepEqual(await counted(), [0, undefined, 0]);
  });

  it('does not come back when what is known of the segments is lost', async () => {
    await vault.journal.append({ source: 'door', readings: mixed(JANUARY, FEBRUARY) });
    await vault.keys.shred('2025-03');
    await vault.close();
    const db = new Database(folder.file('catalogue.db'));
    assert.equal(db.prepare("DELETE FROM meta WHERE name = 'newest-segment'").run().changes, 1);
    db.close();
    rmSync(folder.file('catalogue.sum'));
    vault = await openLocalVault(folder.options);
    await assertLeft([]);
    await vault.fold();
    await assertLeft([]);
  });

  it('is forgotten once a start finds that the journal has let go of it', async () => {
    const sizes = { journalFile: 32_768 };
    await vault.close();
    vault = await openLocalVault({ ...folder.options, sizes });
    await vault.journal.append({ source: 'door', readings: mixed(JANUARY, MARCH) });
    await vault.keys.shred('2025-03');
    const noted = async (): Promise<unknown> => {
      await vault.close();
      const db = new Database(folder.file('catalogue.db'), { readonly: true });
      const count = db.prepare("SELECT count(*) FROM counters WHERE name GLOB 'shredded/*'").pluck().get();
      db.close();
      vault = await openLocalVault({ ...folder.options, sizes });
      return count;
    };
    assert.equal(await noted(), 1);
    for (let i = 0; i < 3; i++) {
      await vault.journal.append({ source: 'door', readings: bulky(2_000 * i, 2_000) });
      await vault.commit([{ kind: 'consumer', consumer: 'detect:1', replayFrom: vault.journal.head }]);
      await vault.fold();
    }
    // Files that were let go of keep what they hold until they are used again, and a start finds it there.
    assert.deepEqual([await noted(), await noted()], [1, 0]);
    assert.ok((await journalOf(vault)).every(({ time }) => time >= MARCH));
    assert.equal((await queried()).length, COUNT / 2);
  });

  it('is not known of a shred that an older version made', () => {
    const older = { kind: 'shredded', before: 662 } as const;
    assert.deepEqual(openBox(effectBoxes([older])[0]), { kind: 'effects', effects: [older] });
  });
});
