import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { BudgetOptions } from '@tidegate/nodes/vault';
import { bytesBelow } from '../../../support/room.ts';
import { check } from './check.ts';
import type { Ledger } from './ledger.ts';
import { FOLD, work, type Scenario } from './scenario.ts';
import type { Site } from './site.ts';
import { MINUTES } from './summaries.ts';
import type { Act } from './task.ts';
import type { Workload } from './workload.ts';

/** Small files: what may go is a large part of what there is. */
const SIZES = { unfolded: 131_072, journalFile: 32_768 };
const BALLAST = 150_000;
const MINUTES_WAITING = 400;
const GIVE_WAY: Act = { act: 'give-way' };

/** Bytes of all files, and of those that may be given up. */
interface Situation {
  used: number;
  segments: number;
  blocks: number;
}

const situation = ({ directory }: Site): Situation => ({
  used: bytesBelow(directory),
  segments: bytesBelow(path.join(directory, 'segments')),
  blocks: bytesBelow(path.join(directory, 'blocks')),
});

/** Four segments, and a consumer that has made summaries of them. */
async function filled(site: Site, minutes: number): Promise<void> {
  for (let times = 0; times < 4; times++) await work(site, 12, [FOLD]);
  await work(site, 0, [{ act: 'summarise', minutes }, FOLD]);
}

async function run(site: Site, killAt: number, steps: number, budget: BudgetOptions): Promise<Workload> {
  const workload = site.workload({ shim: {}, steps, acts: [GIVE_WAY], budget });
  workload.shim!.set('killAt', killAt);
  await workload.go();
  return workload;
}

/** Everything that was acknowledged is there once and in order but for what gaps name, and that is not; how much that is. */
const declared = (site: Site, ledger: Ledger): Promise<number> =>
  site.with((vault) => check(vault, ledger, { gaps: true }));

/** After the kill, and after the next start has given way as far as it has to. */
async function judgeQuota(site: Site, ledger: Ledger, budget: BudgetOptions): Promise<void> {
  const before = await declared(site, ledger);
  await (await run(site, 0, 0, budget)).end();
  ledger.take(site.newMarks());
  assert.ok(ledger.count('gave-way') > 0, 'the next start did not give way');
  const after = await declared(site, ledger);
  assert.ok(after >= before, `${before} were declared, and ${after} after the next start`);
  const bytes = bytesBelow(site.directory);
  assert.ok(bytes <= budget.quotaBytes!, `${bytes} bytes with a quota of ${budget.quotaBytes}`);
  const batches = ledger.writers.flatMap((writer) => writer.batches);
  assert.ok(
    batches.some(({ given = [] }) => given.length > 0),
    'no readings were given up',
  );
}

/** Readings that are summarised go, segment by segment, while others come in. `most`: then blocks that others cover. */
function quota(name: string, most: boolean): Scenario {
  let budget: BudgetOptions = {};
  return {
    name,
    sizes: SIZES,
    does: ['gave-way', 'closed'],
    prepare: async (site) => {
      await filled(site, most ? MINUTES_WAITING : 0);
      const { used, segments, blocks } = situation(site);
      const goes = most ? segments + 0.5 * blocks : 0.5 * segments;
      // It goes on until nine tenths of the quota are in use.
      budget = { quotaBytes: Math.round((used - goes) / 0.9), ballastBytes: 0 };
    },
    act: (site, killAt) => run(site, killAt, most ? 0 : 2, budget),
    judge: async (site, ledger) => {
      await judgeQuota(site, ledger, budget);
      const { size } = ledger.summaries!.given;
      assert.ok(size > 0 || !most, `no blocks of ${MINUTES} were given up`);
    },
  };
}

/** The disk itself runs full: the ballast goes, then segments, and it works on. */
function fullDisk(): Scenario {
  const budget = { quotaBytes: 2 ** 30, ballastBytes: BALLAST };
  return {
    name: 'release the ballast, and give up readings for a full disk',
    sizes: SIZES,
    does: ['full', 'declared', 'released', 'closed'],
    prepare: async (site) => {
      await filled(site, 0);
      // As the vault makes it once it has been open for half a minute.
      writeFileSync(path.join(site.directory, 'vault.ballast'), randomBytes(BALLAST), { mode: 0o600 });
    },
    act: async (site, killAt) => {
      const workload = site.workload({ shim: {}, steps: 24, acts: [{ act: 'look' }], budget });
      workload.shim!.set('killAt', killAt);
      workload.shim!.set('budget', bytesBelow(site.directory) + 60_000);
      await workload.go();
      return workload;
    },
    judge: async (site, ledger) => {
      assert.equal(ledger.count('unknown'), 0, 'a full disk was answered with another code than disk-full');
      await declared(site, ledger);
      await declared(site, ledger);
    },
  };
}

export const GIVING_WAY: readonly Scenario[] = [
  quota('give up readings for the quota', false),
  quota('give up readings and blocks for the quota', true),
  fullDisk(),
];
