import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { TideError } from '@tidegate/nodes/node';
import { check } from './check.ts';
import { judgeImport, prepareImport, runImport } from './import-steps.ts';
import type { Group, Kind } from './kind.ts';
import { filesBelow, type StoredFile } from './layout.ts';
import type { Ledger } from './ledger.ts';
import { Random } from './random.ts';
import { Site } from './site.ts';
import type { Act } from './task.ts';
import type { Workload } from './workload.ts';

/** A process under the shim. */
type Victim = Pick<Workload, 'shim' | 'running' | 'end'>;

/** Something that a vault does in several operations on the disk; it is killed in place of each of them. */
interface Scenario {
  name: string;
  /** What lies there before. */
  prepare(site: Site): Promise<void>;
  /** What is killed; ends when the process has ended. */
  act(site: Site, killAt: number): Promise<Victim>;
  /** Holds what is left against the ledger, instead of a mere look into the vault. */
  judge?(site: Site, ledger: Ledger): Promise<void>;
}

async function work(site: Site, steps: number, acts: readonly Act[] = []): Promise<void> {
  const workload = site.workload({ steps, acts });
  await workload.go();
  await workload.end();
  site.takeMarks();
  site.ledger.cut();
  await site.ask((vault) => check(vault, site.ledger));
}

async function act(site: Site, steps: number, killAt: number, acts: readonly Act[] = []): Promise<Workload> {
  const workload = site.workload({ shim: {}, steps, acts });
  workload.shim!.set('killAt', killAt);
  await workload.go();
  return workload;
}

const FOLD: Act = { act: 'fold' };

/** A vault with segments, block files and a journal that was used again, and something that is not folded yet. */
async function settled(site: Site): Promise<void> {
  for (let times = 0; times < 2; times++) await work(site, 8, [FOLD]);
  await work(site, 6);
}

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

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'make',
    prepare: (site) => mkdir(site.directory, { mode: 0o700 }),
    act: (site, killAt) => act(site, 0, killAt),
  },
  { name: 'work', prepare: (site) => work(site, 10), act: (site, killAt) => act(site, 12, killAt) },
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
    act: (site, killAt) => act(site, 0, killAt),
  },
  { name: 'fold', prepare: settled, act: (site, killAt) => act(site, 0, killAt, [FOLD]) },
  {
    name: 'rotate',
    prepare: settled,
    act: (site, killAt) => act(site, 0, killAt, [{ act: 'rotate', to: newKey(site) }]),
    judge: judgeRotation,
  },
  // The month before the newest one, and all months that there are.
  ...['2025-12', '2026-01'].map((before) => ({
    name: `shred before ${before}`,
    prepare: settled,
    act: (site: Site, killAt: number) => act(site, 0, killAt, [{ act: 'shred', before }]),
  })),
  { name: 'import', prepare: prepareImport, act: runImport, judge: judgeImport },
];

export const steps: Kind = {
  rounds: 1_600,
  group: 800,
  async run(group) {
    const random = new Random(group.seed);
    const chosen = group.rounds >= SCENARIOS.length ? SCENARIOS : fewScenarios(random, group.rounds);
    const each = Math.ceil(group.rounds / chosen.length);
    for (const scenario of chosen) await runScenario(scenario, group, random, each);
  },
};

const SAMPLED: ReadonlySet<string> = new Set(['fold', 'shred before 2025-12']);

/** For a sample: what rewrites most first, and others of those that need nothing but the vault. */
function fewScenarios(random: Random, count: number): Scenario[] {
  const first = SCENARIOS.filter(({ name }) => SAMPLED.has(name));
  const others = SCENARIOS.filter(({ name }) => !SAMPLED.has(name) && name !== 'import');
  while (first.length < count) first.push(...others.splice(random.below(others.length), 1));
  return first.slice(0, count);
}

/** At every operation while there are rounds enough, else at an even choice of them. */
async function runScenario(scenario: Scenario, group: Group, random: Random, rounds: number): Promise<void> {
  const site = new Site(`${group.seed}/${scenario.name}`);
  let kept = false;
  try {
    await scenario.prepare(site);
    mkdirSync(site.directory, { recursive: true, mode: 0o700 });
    site.layout.keep();
    const before = filesBelow(site.directory);
    const last = await operationsOf(await scenario.act(site, 0));
    // What the rehearsal was told is nothing that the vault in its place before has to hold.
    site.newMarks();
    const every = Math.max(1, last / rounds);
    group.count(`${scenario.name}: operations`, last);
    for (let at = 1 + (every > 1 ? random.below(every) : 0); at <= last; at += every) {
      const killAt = Math.floor(at);
      await killedRound(site, scenario, before, killAt);
      group.passed();
      group.count(scenario.name);
    }
  } catch (error) {
    kept = true;
    group.failed(scenario.name, error, site.home);
  } finally {
    if (!kept) site.remove();
  }
}

async function operationsOf(workload: Victim): Promise<number> {
  const { shim } = workload;
  let operations = 0;
  while (workload.running) {
    operations = Math.max(operations, shim!.get('operations'));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  operations = Math.max(operations, shim!.get('operations'));
  await workload.end();
  return operations;
}

async function killedRound(
  site: Site,
  scenario: Scenario,
  before: readonly StoredFile[],
  killAt: number,
): Promise<void> {
  site.layout.put(before);
  const ledger = site.ledger.fork();
  const workload = await scenario.act(site, killAt);
  await workload.end();
  ledger.take(site.newMarks());
  ledger.cut();
  try {
    if (scenario.judge !== undefined) await scenario.judge(site, ledger);
    else await site.with((vault) => check(vault, ledger));
    // What a start completed has to stay.
    if (scenario.judge === undefined) await site.with((vault) => check(vault, ledger));
  } catch (error) {
    throw new Error(`killed at operation ${killAt}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
