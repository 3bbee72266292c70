import { TideError } from '@tidegate/nodes/node';
import type { Command } from 'commander';

import { hashPassword, MAX_PASSWORD } from '../login/password.ts';
import { readLine } from './prompt.ts';

export function hashPasswordCommand(program: Command): void {
  program
    .command('hash-password')
    .summary('make a hash for gateway.yaml')
    .description('Reads a password from standard input and prints the hash that gateway.yaml takes for a user.')
    .action(async () => {
      if (process.stdin.isTTY) process.stderr.write('Password (it is shown as you type): ');
      console.log(await hashPassword(checkPassword(await readLine(), 'the password')));
    });
}

/** Throws a TideError `usage` when a password is too short or too long. */
export function checkPassword(password: string, what: string): string {
  if (password.length < 8 || password.length > MAX_PASSWORD)
    throw new TideError('usage', `${what}: has ${password.length} characters, allowed: 8 to ${MAX_PASSWORD}`);
  return password;
}
