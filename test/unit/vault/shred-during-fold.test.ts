import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { Reading } from '@tidegate/nodes/reading';
import { openLocalVault } from '@tidegate/nodes/vault';
import { VaultFolder, reading } from '../../support/vault.ts';

const of = (month: number, count: number): Reading[] =>
  Array.from({ length: count }, (_, i) => reading(`s${i % 20}`, Math.sin(i), { time: Date.UTC(2025, month, 1) + i }));

describe('a shred that begins while a fold is under way', () => {
  it('takes what came since that fold began as well', async () => {
    const folder = new VaultFolder();
    const vault = await openLocalVault(folder.options);
    const left = async (): Promise<number> => {
      let count = 0;
      const series = [...vault.series.entries()].map(({ name }) => name);
      for await (const page of vault.query({ series, to: Date.UTC(2025, 11, 1) })) count += page.length;
      return count;
    };
    try {
      await vault.journal.append({ source: 'd', readings: of(11, 40_000) });
      const folding = vault.fold();
      const segments = folder.file('segments');
      while (!existsSync(segments) || readdirSync(segments).length === 0) await turn();
      await vault.journal.append({ source: 'd', readings: of(10, 50) });
      assert.equal((await vault.stats()).segments, 0, 'the fold has ended already');
      assert.equal(await left(), 50);
      await vault.keys.shred('2025-12');
      await folding;
      assert.equal(await left(), 0);
    } finally {
      await vault.close();
      folder.remove();
    }
  });
});
