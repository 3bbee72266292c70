import assert from 'node:assert/strict';
import type { Reading } from '@tidegate/nodes/reading';
import { openLocalVault, type Vault } from '@tidegate/nodes/vault';
import fc from 'fast-check';
import { readings } from '../support/readings.ts';
import { VaultFolder, journalOf } from '../support/vault.ts';

describe('the journal', () => {
  it('holds what was appended, in order, whatever was closed and opened between', async function () {
    this.timeout(30_000);
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.array(readings({ maxLength: 12 }), { minLength: 1, maxLength: 3 }) },
      { weight: 1, arbitrary: fc.constant('reopen' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.integer({ min: 1, max: 20 }), async (steps, limit) => {
        const folder = new VaultFolder();
        let vault: Vault = await openLocalVault(folder.options);
        const expected: Reading[] = [];
        try {
          for (const one of [...steps, 'reopen' as const]) {
            if (one === 'reopen') {
              await vault.close();
              vault = await openLocalVault(folder.options);
              continue;
            }
            const firsts = await Promise.all(
              one.map((batch) => vault.journal.append({ source: 's', readings: batch })),
            );
            for (const [i, batch] of one.entries()) {
              assert.equal(firsts[i], expected.length + 1);
              for (const reading of batch) expected.push({ ...reading, position: expected.length + 1 });
            }
          }
          assert.deepEqual(await journalOf(vault, undefined, limit), expected);
          assert.equal(vault.journal.head, expected.length + 1);
        } finally {
          await vault.close();
          folder.remove();
        }
      }),
      { numRuns: 40 },
    );
  });
});
