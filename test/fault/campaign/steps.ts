import { mkdir } from 'node:fs/promises';
import { check } from './check.ts';
import type { Group, Kind } from './kind.ts';
import { filesBelow, type StoredFile } from './layout.ts';
import { Random } from './random.ts';
import { Site } from './site.ts';
import type { Workload } from './workload.ts';

/** Something that a vault does in several operations on the disk; it is killed in place of each of them. */
interface Scenario {
  name: string;
  /** What lies there before. */
  prepare(site: Site): Promise<void>;
  /** What is killed; ends when the process has ended. */
  act(site: Site, killAt: number): Promise<Workload>;
}

async function work(site: Site, steps: number): Promise<void> {
  const workload = site.workload({ steps });
  await workload.go();
  await workload.end();
  site.takeMarks();
  site.ledger.cut();
  await site.ask((vault) => check(vault, site.ledger));
}

async function act(site: Site, steps: number, killAt: number): Promise<Workload> {
  const workload = site.workload({ shim: {}, steps });
  workload.shim!.set('killAt', killAt);
  await workload.go();
  return workload;
}

/** New ones go here: fold, rotation of keys, shredding, import. */
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
      await new Promise((resolve) => setTimeout(resolve, 250));
      await workload.kill();
      site.takeMarks();
      site.ledger.cut();
      await site.ask((vault) => check(vault, site.ledger));
    },
    act: (site, killAt) => act(site, 0, killAt),
  },
];

export const steps: Kind = {
  rounds: 300,
  group: 100,
  async run(group) {
    const random = new Random(group.seed);
    const each = Math.ceil(group.rounds / SCENARIOS.length);
    for (const scenario of SCENARIOS) await runScenario(scenario, group, random, each);
  },
};

/** At every operation while there are rounds enough, else at an even choice of them. */
async function runScenario(scenario: Scenario, group: Group, random: Random, rounds: number): Promise<void> {
  const site = new Site(`${group.seed}/${scenario.name}`);
  let kept = false;
  try {
    await scenario.prepare(site);
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

async function operationsOf(workload: Workload): Promise<number> {
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
    await site.with((vault) => check(vault, ledger));
  } catch (error) {
    throw new Error(`killed at operation ${killAt}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
