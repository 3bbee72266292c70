import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { ageKey, cli, fillVault, openGatewayVault, readingsOf, startCli } from '../../../support/backup.ts';
import { Shim } from '../../../support/shim.ts';
import type { Site } from './site.ts';

const at = (site: Site, name: string): string => path.join(site.home, name);
const args = (site: Site): string[] => [
  'import',
  at(site, 'a.age'),
  '--into',
  at(site, 'restored'),
  '-i',
  at(site, 'age'),
];

async function done(all: readonly string[]): Promise<void> {
  const { code, output } = await cli(all);
  assert.equal(code, 0, output);
}

/** A gateway with something of every kind in its vault, and a backup of it. */
export async function prepareImport(site: Site): Promise<void> {
  const { recipient } = ageKey(site.home, 'age');
  await done(['init', at(site, 'gateway'), '--name', 'lone', '--yes']);
  const vault = await openGatewayVault(at(site, 'gateway'));
  await fillVault(vault);
  await vault.close();
  await done(['export', at(site, 'gateway'), '--out', at(site, 'a.age'), '--recipient', recipient]);
}

/** `tidegate import` in a process of its own, into a directory that does not exist. */
export async function runImport(
  site: Site,
  killAt: number,
): Promise<{ shim: Shim; running: boolean; end(): Promise<number | null> }> {
  const directory = at(site, 'restored');
  rmSync(directory, { recursive: true, force: true });
  const shim = new Shim({ directory });
  shim.set('killAt', killAt);
  const program = startCli(args(site), shim.environment);
  const importing = {
    shim,
    running: true,
    end: async () => {
      const code = await program.ended();
      shim.close();
      return code;
    },
  };
  void program.ended().then(() => (importing.running = false));
  return importing;
}

/** The same command again brings it to its end, unless it was there; then all is in the new vault, under a name of its own. */
export async function judgeImport(site: Site): Promise<void> {
  const directory = at(site, 'restored');
  const whole = existsSync(path.join(directory, 'gateway.yaml')) && !existsSync(path.join(directory, 'import.json'));
  if (!whole) await done(args(site));
  assert.ok(!existsSync(path.join(directory, 'import.json')), 'the mark of half an import is still there');
  const [before, after] = [await openGatewayVault(at(site, 'gateway')), await openGatewayVault(directory)];
  try {
    const { head } = before.journal;
    assert.deepEqual(await readingsOf(after, head), await readingsOf(before));
    assert.equal(after.journal.head, head);
    assert.notEqual(after.incarnation, before.incarnation);
    for (const namespace of ['shared', 'grants'])
      assert.deepEqual(await after.documents.list(namespace), await before.documents.list(namespace));
    const { damaged, problems } = await after.stats();
    assert.deepEqual({ damaged, problems }, { damaged: 0, problems: [] });
  } finally {
    await before.close();
    await after.close();
  }
}
