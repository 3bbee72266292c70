import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { runCampaign, type KindResult } from './campaign/campaign.ts';
import { check } from './campaign/vault/check.ts';
import { ENTRY } from './campaign/vault/disk-log.ts';
import { filesBelow, type StoredFile } from './campaign/vault/layout.ts';
import { record } from './campaign/vault/powercut.ts';
import { Random } from './campaign/random.ts';
import { RecordedDisk } from './campaign/vault/recorded-disk.ts';
import { Site } from './campaign/vault/site.ts';

/** Rounds of each kind: a sample of what `npm run campaign -- vault` does by the thousand. */
const SAMPLE: Readonly<Record<string, number>> = {
  kill: 4,
  powercut: 6,
  torn: 4,
  fsync: 4,
  full: 3,
  flip: 12,
  clock: 2,
  // A fold, a shred, and readings that go for the quota.
  steps: 3,
};
/**
 * One seed that stays the same, so that a change is judged by the same rounds as the one before it; the campaign itself is
 * for seeds that nobody has tried. TIDEGATE_SEED takes another one.
 */
const SEED = process.env['TIDEGATE_SEED'] ?? 'the same';

function explain({ kind, failures }: KindResult): string {
  return failures
    .map(({ seed, round, error, kept }) => `${kind}, seed ${seed}, ${round}, kept in ${String(kept)}:\n${error}`)
    .join('\n');
}

const names = (files: readonly StoredFile[]): string[] => files.map(({ path: file }) => file);

describe('the vault’s campaign', function () {
  this.timeout(180_000);

  for (const [kind, rounds] of Object.entries(SAMPLE)) {
    it(`${kind}: ${rounds} rounds hold, seed "${SEED}"`, async () => {
      const [result] = await runCampaign({ campaign: 'vault', kinds: [kind], rounds, seed: SEED });
      assert.equal(result.failed, 0, explain(result));
      assert.ok(result.passed >= rounds, `${result.passed} rounds were run`);
    });
  }

  describe('knows what it is doing:', () => {
    let site: Site;

    beforeEach(() => {
      site = new Site('its own proof');
      mkdirSync(site.directory, { mode: 0o700 });
    });

    afterEach(() => site.remove());

    it('the record shows every byte that the process wrote', async () => {
      const random = new Random('record');
      const recording = await record(site, random, 'record', { close: true });
      const disk = new RecordedDisk(recording.root, recording.before, recording.inode, 'record');
      for (const entry of recording.entries) disk.take(entry);
      const [recorded, real] = [disk.current(), filesBelow(site.directory)];
      assert.deepEqual(names(recorded), names(real));
      for (const [i, { path: file, bytes }] of real.entries())
        assert.ok(Buffer.from(recorded[i].bytes ?? []).equals(bytes ?? Buffer.alloc(0)), `${file} is not as recorded`);
    });

    it('a disk that syncs nothing loses what was acknowledged, and the ledger finds it', async () => {
      const random = new Random('no sync');
      const recording = await record(site, random, 'no sync');
      const disk = new RecordedDisk(recording.root, recording.before, recording.inode, 'no sync');
      const ledger = recording.ledger.fork();
      for (const entry of recording.entries) {
        if (entry.entry === ENTRY.mark) ledger.take(Buffer.from(entry.data).toString());
        else if (entry.entry !== ENTRY.syncEnd) disk.take(entry);
      }
      assert.ok(ledger.acknowledged > 0);
      let found = 0;
      for (let round = 0; round < 4; round++) {
        site.layout.put(disk.cut(new Random(`cut ${round}`)));
        const then = ledger.fork();
        then.cut();
        await site.with((vault) => check(vault, then)).catch(() => found++);
      }
      assert.equal(found, 4);
    });

    it('a document that was never written is missed', async () => {
      const workload = site.workload({ steps: 4 });
      await workload.go();
      await workload.end();
      site.takeMarks();
      await site.with((vault) => check(vault, site.ledger));
      const early = site.ledger.fork();
      early.writers[0].state.documents['never'] = 1;
      await assert.rejects(
        site.with((vault) => check(vault, early)),
        /writer 0/,
      );
    });
  });
});
