import assert from 'node:assert/strict';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { openLocalVault, type Vault } from '@tidegate/nodes/vault';
import { eventually } from '../../support/eventually.ts';
import { countOf, gapsOf } from '../../support/room.ts';
import { VaultFolder, reading } from '../../support/vault.ts';

const MONTHS = [Date.UTC(2026, 5, 1), Date.UTC(2026, 6, 1)] as const;
const SHRED = '2026-07';
const EACH = 50;
const CLOSED = /under a journal key that was destroyed: the journal is older than the key header/;

async function append(vault: Vault, begin: number): Promise<void> {
  const readings = Array.from({ length: EACH }, (_, i) => reading('a', i, { time: begin + i * 1000 }));
  await vault.journal.append({ source: 'door', readings });
}

async function findingsOf(vault: Vault): Promise<string[]> {
  const findings: string[] = [];
  for await (const { place, kind, text } of vault.verify()) findings.push(`${place}: ${kind}; ${text}`);
  return findings;
}

async function readingsIn(vault: Vault): Promise<number> {
  let count = 0;
  for await (const page of vault.query({ series: ['a'] })) count += page.length;
  return count;
}

describe('a vault whose key header is not of its time', () => {
  let folder: VaultFolder;
  let old: string;

  beforeEach(() => {
    folder = new VaultFolder();
    old = path.join(folder.root, 'old');
  });

  afterEach(() => folder.remove());

  async function withVault(work: (vault: Vault) => Promise<void>): Promise<void> {
    const vault = await openLocalVault(folder.options);
    try {
      await work(vault);
    } finally {
      await vault.close();
    }
  }

  /** Half of each month folded and half in the journal, then a shred of the first one. */
  async function shredded(): Promise<void> {
    await withVault(async (vault) => {
      for (const begin of MONTHS) await append(vault, begin);
      await vault.fold();
      for (const begin of MONTHS) await append(vault, begin);
    });
    cpSync(folder.directory, old, { recursive: true });
    await withVault(async (vault) => void (await vault.keys.shred(SHRED)));
  }

  /** All of the vault as it was before, but for some files. */
  function putBack(...kept: string[]): void {
    for (const name of readdirSync(folder.directory))
      if (!kept.includes(name)) rmSync(folder.file(name), { recursive: true });
    for (const name of readdirSync(old))
      if (!kept.includes(name)) cpSync(path.join(old, name), folder.file(name), { recursive: true });
  }

  it('has nothing to say of journal files that nobody needed any more when their key was destroyed', async () => {
    await shredded();
    const files = readdirSync(folder.file('journal'));
    assert.ok(files.includes('0000000001.tide'), 'it lies there still');
    for (let i = 0; i < 2; i++)
      await withVault(async (vault) => {
        assert.deepEqual([await findingsOf(vault), (await vault.stats()).problems], [[], []]);
        assert.deepEqual([await readingsIn(vault), (await vault.stats()).damaged], [(2 + i) * EACH, 0]);
        await append(vault, MONTHS[1]);
        await vault.fold();
      });
    // They are room for new records.
    assert.ok(readdirSync(folder.file('journal')).length <= files.length + 1);
  });

  it('names records that are needed under a destroyed key at each start, and declares them once', async () => {
    await shredded();
    putBack('vault.keys');
    let problems = 0;
    for (let i = 0; i < 3; i++)
      await withVault(async (vault) => {
        const findings = await findingsOf(vault);
        assert.equal(findings.length, 1, findings.join('\n'));
        assert.match(findings[0], CLOSED);
        const stats = await vault.stats();
        assert.match(stats.problems.join('\n'), CLOSED);
        problems = Math.max(problems, stats.damaged);
        assert.ok(stats.damaged === problems && problems > 0, 'counted once');
        // Those of the segment but for the shredded month.
        assert.deepEqual([stats.readings, await readingsIn(vault)], [EACH, EACH]);
        await eventually('they are declared', async () => (await gapsOf(vault)).length > 0);
        assert.equal(countOf(await gapsOf(vault), ['damaged']), 2 * EACH);
        const [gap] = await gapsOf(vault);
        assert.deepEqual(gap.positions, [2 * EACH + 1, 4 * EACH]);
        assert.equal(vault.journal.head, 4 * EACH + 1);
      });
    // Once others have come in their place and are folded, the files are room for new ones.
    await withVault(async (vault) => {
      await append(vault, MONTHS[1]);
      await vault.fold();
    });
    await withVault(async (vault) => {
      assert.deepEqual([await findingsOf(vault), await readingsIn(vault)], [[], 2 * EACH]);
      assert.equal(countOf(await gapsOf(vault), ['damaged']), 2 * EACH);
    });
  });

  it('names a segment of which the header has no key of a month', async () => {
    await withVault(async (vault) => {
      await append(vault, MONTHS[0]);
      await vault.fold();
    });
    cpSync(folder.directory, old, { recursive: true });
    await withVault(async (vault) => {
      await append(vault, MONTHS[1]);
      await vault.fold();
    });
    putBack('segments', 'journal', 'vault.place');
    await withVault(async (vault) => {
      assert.match((await vault.stats()).problems.join('\n'), /segment 2: rolled-back; readings of 2026-07 .*no/);
      assert.match((await findingsOf(vault)).join('\n'), new RegExp(`${EACH} readings are lost: no data key`));
      assert.equal(await readingsIn(vault), EACH);
    });
  });
});
