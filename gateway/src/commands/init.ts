import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { systemClock, TideError } from '@tidegate/nodes/node';
import { checkGrant, DEFAULT_PURPOSE } from '@tidegate/nodes/privacy';
import { decodeToken, outgoingOf, storeEnrolment } from '@tidegate/nodes/sync';
import { openVault } from '@tidegate/nodes/vault';
import type { Command } from 'commander';

import { vaultOptionsOf } from '../config/vault-options.ts';
import { initGateway, KEY_FILE } from '../device/file-init.ts';
import { hashPassword, makePassword } from '../login/password.ts';
import { checkPassword } from './hash-password.ts';
import { collect } from './options.ts';
import { ask, canAsk } from './prompt.ts';

interface Options {
  name?: string;
  user: string;
  passwordFile?: string;
  grant?: string[];
  /** False when --no-grants was given. */
  grants: boolean;
  enrol?: string;
  yes?: true;
  json?: true;
}

export function initCommand(program: Command): void {
  program
    .command('init')
    .summary('make a gateway')
    .description('Makes a gateway in a new directory DIR: configuration, key, flow, and what may leave the site.')
    .argument('<dir>', 'a directory that is empty or does not exist yet')
    .option('--name <name>', 'name of the gateway (default: the name in the token, or of this machine)')
    .option('--grant <pattern>', 'series that may be sent to the cloud, e.g. site/# (several times)', collect)
    .option('--no-grants', 'nothing may be sent')
    .option('--enrol <token>', 'one-time token from tidegate-cloud enroll NAME')
    .option('--user <name>', 'user of the editor', 'admin')
    .option('--password-file <file>', 'file with the password of the editor (default: one is made and printed once)')
    .option('--yes', 'ask nothing; without --grant nothing may be sent')
    .option('--json', 'print the result as one line of JSON')
    .action(init);
}

async function init(directory: string, options: Options): Promise<void> {
  const token = options.enrol === undefined ? undefined : decodeToken(options.enrol);
  const grants = await grantsFrom(options);
  for (const pattern of grants) checkGrant(pattern, DEFAULT_PURPOSE);
  const name = options.name ?? token?.gateway ?? nameOfMachine();
  const chosen = options.passwordFile === undefined ? undefined : await passwordIn(options.passwordFile);
  const password = chosen ?? makePassword();
  const config = await initGateway(directory, { name, user: options.user, passwordHash: () => hashPassword(password) });
  const vault = await openVault(vaultOptionsOf(path.resolve(directory), config), systemClock);
  try {
    const outgoing = await outgoingOf(vault);
    for (const pattern of grants) await outgoing.grant(pattern);
    if (options.enrol !== undefined) await storeEnrolment(vault, options.enrol);
  } finally {
    await vault.close();
  }
  const login = { user: options.user, ...(chosen === undefined ? { password } : {}) };
  if (options.json === true)
    console.log(JSON.stringify({ directory, name, grants, enrolled: token !== undefined, login }));
  else report(directory, name, grants, token?.tenant, login);
}

function report(
  directory: string,
  name: string,
  grants: string[],
  tenant: string | undefined,
  login: { user: string; password?: string },
): void {
  console.log(`Made gateway ${name} in ${directory}.`);
  if (login.password !== undefined)
    console.log(`  editor   user ${login.user}, password ${login.password}  (shown only now; write it down)`);
  console.log(`  key      ${path.join(directory, KEY_FILE)}  (without it nothing can be read; keep a copy elsewhere)`);
  console.log(`  leaves   ${grants.length === 0 ? 'nothing' : grants.join(', ')}  (change it with: tidegate grant)`);
  console.log(`  cloud    ${tenant === undefined ? 'not enrolled' : `enrolled with ${tenant}`}`);
  console.log(`Run it with: tidegate run ${directory}`);
}

async function grantsFrom(options: Options): Promise<string[]> {
  if (options.grant !== undefined) return options.grant;
  if (!options.grants || options.yes === true) return [];
  if (!canAsk())
    throw new TideError(
      'usage',
      'say what may leave the site: --grant PATTERN (several times), --no-grants, or --yes for nothing',
    );
  console.error('What may be sent to the cloud? Patterns of series, e.g. site/# for all below site; + is one level.');
  const answer = await ask('Patterns, separated by spaces; empty for nothing', '');
  return answer.split(/[\s,]+/).filter((pattern) => pattern !== '');
}

async function passwordIn(file: string): Promise<string> {
  const text = await readFile(file, 'utf8');
  return checkPassword(text.split(/\r?\n/, 1)[0] ?? '', `--password-file: the first line of ${file}`);
}

function nameOfMachine(): string {
  const name = os
    .hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 63);
  return name === '' ? 'gateway' : name;
}
