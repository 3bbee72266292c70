import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { openVault } from '@tidegate/nodes/vault';
import { Program } from '../support/process.ts';
import { VaultFolder, journalOf } from '../support/vault.ts';

/** Kills of one run; a campaign sets more. */
const ROUNDS = Number(process.env['TIDEGATE_KILL_ROUNDS'] ?? 10);

describe('a vault whose process is killed', () => {
  it('holds every acknowledged reading exactly once and in order', async function () {
    this.timeout(20_000 + ROUNDS * 5_000);
    const folder = new VaultFolder();
    /** By position: the value that was acknowledged there. */
    const acknowledged = new Map<number, number>();
    let next = 1;
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const lines: string[] = [];
        const child = Program.node('appender', 'test/support/vault-child.ts', [
          'append',
          folder.directory,
          folder.key.file,
          String(next),
        ]);
        child.child.stdout!.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
        await child.line(/^acknowledged/);
        await sleep(Math.random() * 200);
        await child.kill();
        const output = lines.join('');
        // A last line that the kill cut short acknowledged nothing to anybody.
        for (const [, position, value, count] of output.matchAll(/^acknowledged (\d+) (\d+) (\d+)\n/gm)) {
          for (let i = 0; i < Number(count); i++) acknowledged.set(Number(position) + i, Number(value) + i);
        }
        assert.doesNotMatch(output, /failed/);
        next += 1_000_000;

        const vault = await openVault(folder.options);
        const kept = await journalOf(vault);
        const { damaged, problems } = await vault.stats();
        await vault.close();
        assert.deepEqual({ damaged, problems }, { damaged: 0, problems: [] });
        const values = kept.map(({ value }) => Number(value));
        assert.equal(new Set(values).size, values.length, 'a reading is there twice');
        assert.deepEqual(
          kept.map(({ position }) => position),
          values.map((_, i) => i + 1),
        );
        for (const [position, value] of acknowledged) assert.equal(values[position - 1], value, `round ${round}`);
      }
      assert.ok(acknowledged.size >= ROUNDS * 20);
    } finally {
      folder.remove();
    }
  });
});
