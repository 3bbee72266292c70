import path from 'node:path';

import { systemClock, TideError } from '@tidegate/nodes/node';
import { type Finding, rebuildVault } from '@tidegate/nodes/vault';
import type { Command } from 'commander';

import { readConfig } from '../config/file-config.ts';
import { vaultOptionsOf } from '../config/vault-options.ts';
import { findingText, isDamage, verdictText } from '../control/findings-text.ts';
import { bytesText } from '../control/status-text.ts';
import { grouped } from '../replay/progress.ts';
import { controlLines } from './control.ts';
import { WaitShow } from './waiting.ts';

interface Json {
  json?: true;
}

/** Findings that one line of JSON lists; all are counted. */
const MAX_LISTED = 10_000;

export function vaultCommand(program: Command): void {
  const vault = program
    .command('vault')
    .summary('check the vault, or make its catalogue again')
    .description('Looks after the encrypted store of a gateway.');
  vault
    .command('verify')
    .description(
      'read everything and name what was removed, reordered, duplicated, altered or put back from an older copy; the exit code is 1 when there is any',
    )
    .argument('<dir>', 'directory of the gateway')
    .option('--json', 'print one line of JSON')
    .action(verify);
  vault
    .command('rebuild')
    .description(
      'make the catalogue again from the sealed files; the gateway must not run, and the old catalogue is set aside',
    )
    .argument('<dir>', 'directory of the gateway')
    .option('--json', 'print one line of JSON')
    .action(rebuild);
}

async function verify(directory: string, { json }: Json): Promise<void> {
  const listed: Finding[] = [];
  let [damage, torn, ended, what] = [0, 0, false, 'checking the vault'];
  const found = (): string => (damage === 0 ? 'nothing found so far' : `${grouped(damage)} found so far`);
  const show = new WaitShow(() => `${what}, ${found()}`);
  try {
    for await (const line of controlLines(directory, 'POST', '/vault/verify')) {
      if ('end' in line) ended = true;
      if ('checking' in line)
        what = `checking ${grouped(line.checking.readings)} readings, ${bytesText(line.checking.bytes)}`;
      if (!('finding' in line)) continue;
      const { finding } = line;
      if (isDamage(finding)) damage++;
      else torn++;
      show.clear();
      if (json !== true) console.log(findingText(finding));
      else if (listed.length < MAX_LISTED) listed.push(finding);
    }
  } finally {
    show.end();
  }
  if (!ended) throw new TideError('cut-off', 'the check broke off before its end');
  console.log(json === true ? JSON.stringify({ damage, torn, findings: listed }) : verdictText(damage, torn));
  if (damage > 0) process.exitCode = 1;
}

async function rebuild(directory: string, { json }: Json): Promise<void> {
  const config = await readConfig(directory);
  const show = new WaitShow(() => 'reading the sealed files and making the catalogue again');
  const report = await rebuildVault(vaultOptionsOf(path.resolve(directory), config), systemClock).finally(() =>
    show.end(),
  );
  if (json === true) {
    console.log(JSON.stringify(report));
    return;
  }
  const { readings, segments = 0, blocksWaiting, alertsWaiting, damaged, problems } = report;
  console.log('The catalogue was made again from the sealed files.');
  console.log(`  readings  ${grouped(readings)} in ${counted(segments, 'segment')} and the journal`);
  console.log(`  waiting   ${counted(blocksWaiting, 'block')}, ${counted(alertsWaiting, 'alert')}`);
  if (damaged > 0) console.log(`  damaged   ${counted(damaged, 'record')} could not be opened`);
  for (const problem of problems) {
    const aside = SET_ASIDE.exec(problem)?.[1];
    console.log(aside === undefined ? `  ${problem}` : `  old one   ${aside}; delete it when all is well`);
  }
}

/** The vault says of every catalogue that it sets aside that it is damaged. This one was well, and may go. */
const SET_ASIDE = /^catalogue\.db is damaged \(asked for\); it lies in (.+) and was made again$/;
const counted = (count: number, what: string): string => `${grouped(count)} ${what}${count === 1 ? '' : 's'}`;
