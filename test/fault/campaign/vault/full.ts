import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GAPS, type Vault } from '@tidegate/nodes/vault';
import { ERRNO, OPERATION } from '../../../support/shim.ts';
import { check } from './check.ts';
import type { Group, Kind } from '../kind.ts';
import type { Ledger } from './ledger.ts';
import { Random } from '../random.ts';
import { Site } from './site.ts';
import type { Workload } from './workload.ts';

const TAKES_ROOM = OPERATION.write | OPERATION.create | OPERATION.resize;

/**
 * A disk that is full, at every place where something is written: the process lives, reads are answered, commits are
 * rejected with `disk-full` and leave nothing; once there is room it goes on by itself. Rounds take turns: the nth
 * operation finds no room, a disk of so many bytes, and a real tmpfs where this machine lets us mount one.
 */
export const full: Kind = {
  rounds: 300,
  group: 6,
  async run(group) {
    const random = new Random(group.seed);
    for (let round = 0; round < group.rounds; round++) {
      const site = new Site(`${group.seed}/${round}`);
      let kept = true;
      try {
        await (round % 3 === 2 ? tmpfsRound(site, group, random) : shimRound(site, group, random, round % 6 === 4));
        group.passed();
        kept = false;
      } catch (error) {
        group.failed(`full ${round}`, error, site.home);
      } finally {
        if (!kept) site.remove();
      }
    }
  },
};

async function shimRound(site: Site, group: Group, random: Random, budget: boolean): Promise<void> {
  await settle(site, random.between(1, 15));
  const workload = site.workload({ shim: {} });
  const { shim } = workload;
  if (shim === undefined) throw new TypeError('a workload without its shim');
  // From the first operations, which open the vault, to some hundreds later.
  const early = random.chance(0.25);
  if (early) shim.fail(TAKES_ROOM, ERRNO.ENOSPC, random.between(1, 40));
  await workload.go();
  if (!early) {
    await opened(site, workload);
    await sleep(random.below(60));
    if (budget) shim.set('budget', shim.get('used') + random.below(200_000));
    else shim.fail(TAKES_ROOM, ERRNO.ENOSPC, random.between(1, 120));
  }
  group.count(budget && !early ? 'disk of n bytes' : early ? 'full while opening' : 'full at operation n');
  await starve(site, workload, () => shim.get('failed') > 0);
  if (shim.get('failed') === 0) group.count('never ran full: it writes into room that it took before');
  shim.succeed();
  shim.set('budget', 0);
  await recover(site, group, workload, early);
  if (site.ledger.count('not-opened') > 0) group.count('did not open without room');
}

async function tmpfsRound(site: Site, group: Group, random: Random): Promise<void> {
  const disk = path.join(site.home, 'vault');
  mkdirSync(disk, { mode: 0o700 });
  if (!mount(disk, 48 * 2 ** 20)) {
    group.count('NO TMPFS: not allowed to mount one');
    return shimRound(site, group, random, true);
  }
  group.count('real tmpfs');
  try {
    const ballast = path.join(disk, 'ballast');
    await settle(site, 3);
    const workload = site.workload();
    await workload.go();
    await opened(site, workload);
    const { bavail, bsize } = statfsSync(disk);
    // Not all of what is free: it is eaten up by the vault itself.
    fill(ballast, Math.max(0, bavail * bsize - random.below(600_000)));
    await starve(site, workload, () => false, 12_000);
    rmSync(ballast);
    await recover(site, group, workload, false);
  } finally {
    execFileSync('umount', ['-l', disk]);
  }
}

/** A disk that is gone with its mount keeps nothing that shows what was declared: the error tells it. */
async function checkDeclared(vault: Vault, ledger: Ledger): Promise<number> {
  try {
    return await check(vault, ledger, { gaps: true });
  } catch (error) {
    const gaps = (await vault.documents.list(GAPS)).map(({ value }) => JSON.stringify(value));
    const { head } = vault.journal;
    throw new Error(`${String(error)}\nbelow ${head} is declared:\n${gaps.join('\n')}`, { cause: error });
  }
}

/** Takes so many bytes, or all that there are: the vault takes some meanwhile. */
function fill(file: string, bytes: number): void {
  try {
    writeFileSync(file, Buffer.alloc(bytes));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
}

function mount(directory: string, bytes: number): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', directory], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A vault with something in it. */
async function settle(site: Site, steps: number): Promise<void> {
  const workload = site.workload({ steps });
  await workload.go();
  await workload.end();
  site.takeMarks();
}

async function opened(site: Site, workload: Workload): Promise<void> {
  await until('it is open', workload, () => {
    site.takeMarks();
    return site.ledger.count('opened') > 1;
  });
}

/** Until the disk has refused something, and then until commits are rejected and reads are answered meanwhile. */
async function starve(site: Site, workload: Workload, refused: () => boolean, timeoutMs = 4_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  const { ledger } = site;
  while (Date.now() < deadline && workload.running && !refused() && ledger.count('full') === 0) {
    await sleep(10);
    site.takeMarks();
  }
  if (!workload.running) return;
  if (ledger.count('opened') < 2) return;
  const before = ledger.count('read');
  await until('it reads on a full disk', workload, () => {
    site.takeMarks();
    return ledger.count('read') > before + 1;
  });
}

/** There is room again: it goes on by itself, unless the vault could not be opened at all. */
async function recover(site: Site, group: Group, workload: Workload, mayNotHaveOpened: boolean): Promise<void> {
  const { ledger } = site;
  // One that looks for room while it opens takes its time to say that there is none.
  if (mayNotHaveOpened) await workload.opened();
  site.takeMarks();
  if (mayNotHaveOpened && ledger.count('not-opened') > 0) {
    await workload.end();
    await settle(site, 5);
  } else {
    if (!workload.running) throw new Error(`the process ended on a full disk:\n${workload.words}`);
    const before = ledger.acknowledged;
    await until('it goes on', workload, () => {
      site.takeMarks();
      return ledger.acknowledged >= before + 4;
    });
    await workload.stop();
    site.takeMarks();
  }
  if (ledger.count('unknown') > 0) throw new Error(`a full disk was answered with another code than disk-full`);
  if (ledger.count('not-read') > 0) throw new Error('a read was refused on a full disk');
  ledger.cut();
  const lost = await site.with((vault) => checkDeclared(vault, ledger));
  if (lost > 0) group.count('rounds with readings that were given up, and declared');
}

async function until(what: string, workload: Workload, holds: () => boolean, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!holds()) {
    if (!workload.running) throw new Error(`the process ended before ${what}:\n${workload.words}`);
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(10);
  }
}
