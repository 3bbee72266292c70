import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { openLocalVault } from '@tidegate/nodes/vault';
import { VaultFolder, reading } from '../../support/vault.ts';

describe('readings that are being folded', () => {
  it('are counted all the while', async () => {
    const folder = new VaultFolder();
    const vault = await openLocalVault(folder.options);
    try {
      const readings = Array.from({ length: 20_000 }, (_, i) => reading(`s${i % 40}`, Math.sin(i), { time: i }));
      await vault.journal.append({ source: 'd', readings });
      const fold = { ended: false };
      const folding = vault.fold().then(() => (fold.ended = true));
      const counts = new Set<number>();
      while (!fold.ended) {
        counts.add((await vault.stats()).readings);
        // The engine is on this very thread, and folds in its timers.
        await turn();
      }
      await folding;
      assert.deepEqual([...counts], [20_000]);
    } finally {
      await vault.close();
      folder.remove();
    }
  });
});
