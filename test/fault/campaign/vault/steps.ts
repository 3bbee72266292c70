import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { TideError } from '@tidegate/nodes/node';
import { check } from './check.ts';
import { GIVING_WAY } from './give-way-steps.ts';
import { judgeImport, prepareImport, runImport } from './import-steps.ts';
import type { Group, Kind } from '../kind.ts';
import { filesBelow, type StoredFile } from './layout.ts';
import type { Ledger } from './ledger.ts';
import { Random } from '../random.ts';
import { act, FOLD, settled, work, type Scenario } from './scenario.ts';
import { Site } from './site.ts';

const newKey = (site: Site): string => {
  const file = path.join(site.home, 'new key');
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 });
  return file;
};

/**
 * The secret that the configuration names opens the vault at any time. The other one opens it as well, between the two
 * steps, or is refused as wrong; once the rotation has ended, the old one is.
 */
async function judgeRotation(site: Site, ledger: Ledger): Promise<void> {
  const [old, next] = [site.key, newKey(site)];
  const [named, other] = ledger.count('switched') > 0 ? [next, old] : [old, next];
  const tried = await site
    .ask((vault) => check(vault, ledger.fork()), other)
    .then(() => 'opened')
    .catch((error: unknown) => {
      if (error instanceof TideError && error.code === 'wrong-key') return 'refused';
      throw error;
    });
  if (ledger.count('rotated') > 0) assert.equal(tried, 'refused', 'the old key after a rotation');
  await site.with((vault) => check(vault, ledger), named);
  // Whoever opens it with the new one has completed the rotation.
  if (named === next)
    await assert.rejects(
      site.with((vault) => check(vault, ledger), old),
      { code: 'wrong-key' },
    );
}

/** The readings lie in the months up to December 2025: all but the newest go, or all. */
const shred = (before: string): Scenario => ({
  name: `shred before ${before}`,
  prepare: settled,
  does: ['shredded', 'closed'],
  act: (site, killAt) => act(site, 0, killAt, [{ act: 'shred', before }]),
});

const SCENARIOS: readonly Scenario[] = [
  { name: 'fold', prepare: settled, does: ['folded', 'closed'], act: (site, killAt) => act(site, 0, killAt, [FOLD]) },
  shred('2025-12'),
  ...GIVING_WAY,
  shred('2026-01'),
  {
    name: 'make',
    prepare: (site) => mkdir(site.directory, { mode: 0o700 }),
    does: ['opened', 'closed'],
    act: (site, killAt) => act(site, 0, killAt),
  },
  {
    name: 'work',
    prepare: (site) => work(site, 10),
    does: ['appended', 'committed', 'closed'],
    act: (site, killAt) => act(site, 12, killAt),
  },
  {
    name: 'open after a kill, and close',
    prepare: async (site) => {
      await work(site, 10);
      const workload = site.workload();
      await workload.go();
      await site.acknowledges(workload, 40, 1);
      await workload.kill();
      site.takeMarks();
      site.ledger.cut();
      await site.ask((vault) => check(vault, site.ledger));
    },
    does: ['opened', 'closed'],
    act: (site, killAt) => act(site, 0, killAt),
  },
  {
    name: 'rotate',
    prepare: settled,
    does: ['switched', 'rotated', 'closed'],
    act: (site, killAt) => act(site, 0, killAt, [{ act: 'rotate', to: newKey(site) }]),
    judge: judgeRotation,
  },
  { name: 'import', prepare: prepareImport, does: [], act: runImport, judge: judgeImport },
];

/** Each part is one scenario, at every operation unless there are fewer rounds for it. */
export const steps: Kind = {
  rounds: Infinity,
  group: Infinity,
  parts: SCENARIOS.map(({ name }) => name),
  async run(group) {
    const scenario = SCENARIOS.find(({ name }) => name === group.part);
    assert.ok(scenario !== undefined, `no scenario "${group.part}"`);
    await runScenario(scenario, group);
  },
};

/**
 * At every operation while there are rounds enough, from `group.round` on, until none is left to be killed at; else at an
 * even choice of them.
 */
async function runScenario(scenario: Scenario, group: Group): Promise<void> {
  const random = new Random(group.seed);
  const site = new Site(group.seed, scenario.sizes);
  const started = performance.now();
  let kept = false;
  let at = 0;
  try {
    await scenario.prepare(site);
    mkdirSync(site.directory, { recursive: true, mode: 0o700 });
    site.layout.keep();
    const before = filesBelow(site.directory);
    const last = await rehearsed(site, scenario);
    const every = Math.max(1, last / group.rounds);
    group.count(`${scenario.name}: operations`, last);
    for (at = (group.round ?? 1) + (every > 1 ? random.below(every) : 0); ; at += every) {
      if (at > last && every > 1) break;
      const killed = await killedRound(site, scenario, before, Math.floor(at));
      group.passed();
      group.count(`${scenario.name}: ${killed ? 'killed at' : 'ended before its operation'}`);
      // One run has some operations more than another.
      if (at >= last && !killed) break;
    }
  } catch (error) {
    kept = true;
    group.failed(scenario.name, error, site.home, Math.floor(at));
  } finally {
    group.count(`${scenario.name}: seconds`, Math.round((performance.now() - started) / 1000));
    if (!kept) site.remove();
  }
}

const LONGEST_MS = 20_000;

/** Runs it to its end: how many operations it has. What it does not do cannot be killed, and so it has to do all. */
async function rehearsed(site: Site, scenario: Scenario): Promise<number> {
  const victim = await scenario.act(site, 0);
  const { shim } = victim;
  let operations = 0;
  const deadline = performance.now() + LONGEST_MS;
  while (victim.running && performance.now() < deadline) {
    operations = Math.max(operations, shim!.get('operations'));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  operations = Math.max(operations, shim!.get('operations'));
  assert.equal(await victim.end(), 0, `"${scenario.name}" did not end well without a kill`);
  // What the rehearsal was told is nothing that the vault in its place before has to hold.
  const words = new Set(
    site
      .newMarks()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  );
  const missing = scenario.does.filter((word) => !words.has(word));
  const failed = [...words].filter((word) => word.startsWith('not-') || word === 'unknown');
  assert.deepEqual({ missing, failed }, { missing: [], failed: [] }, `what "${scenario.name}" did without a kill`);
  assert.ok(operations > 0, `"${scenario.name}" does nothing on the disk`);
  return operations;
}

/** True when the process got as far as the operation. */
async function killedRound(
  site: Site,
  scenario: Scenario,
  before: readonly StoredFile[],
  killAt: number,
): Promise<boolean> {
  site.layout.put(before);
  const ledger = site.ledger.fork();
  const victim = await scenario.act(site, killAt);
  const code = await victim.end();
  ledger.take(site.newMarks());
  ledger.cut();
  try {
    assert.ok(code === null || code === 0, `the process ended with ${code}`);
    if (scenario.judge !== undefined) await scenario.judge(site, ledger);
    else await site.with((vault) => check(vault, ledger));
    // What a start completed has to stay.
    if (scenario.judge === undefined) await site.with((vault) => check(vault, ledger));
  } catch (error) {
    throw new Error(`killed at operation ${killAt}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  return code === null;
}
