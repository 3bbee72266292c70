import { open } from 'node:fs/promises';

import { reasonOf, TideError } from '@tidegate/nodes/node';
import type { Command } from 'commander';

import { canAsk, readLine } from './prompt.ts';

export interface PassphraseOptions {
  passphrase?: true;
  passphraseFile?: string;
  passphraseEnv?: string;
}

const MIN_PASSPHRASE = 8;
const MAX_PASSPHRASE = 1024;

/** Where a passphrase comes from. It is never an argument: those can be seen by every user of the machine. */
export function passphraseOptions(command: Command): Command {
  return command
    .option('--passphrase', 'ask for a passphrase on the terminal')
    .option('--passphrase-file <file>', 'first line of a file is the passphrase; - reads standard input')
    .option('--passphrase-env <name>', 'an environment variable holds the passphrase');
}

/** Undefined when none was asked for. `twice`: a new one, which nobody could check later. */
export async function passphraseFrom(options: PassphraseOptions, twice: boolean): Promise<string | undefined> {
  const given = [options.passphrase, options.passphraseFile, options.passphraseEnv].filter((one) => one !== undefined);
  if (given.length === 0) return undefined;
  if (given.length > 1)
    throw new TideError('usage', 'give one of --passphrase, --passphrase-file and --passphrase-env');
  const passphrase = await read(options, twice);
  if (passphrase.length < MIN_PASSPHRASE || passphrase.length > MAX_PASSPHRASE)
    throw new TideError(
      'usage',
      `the passphrase has ${passphrase.length} characters, allowed: ${MIN_PASSPHRASE} to ${MAX_PASSPHRASE}`,
    );
  return passphrase;
}

async function read({ passphraseFile, passphraseEnv }: PassphraseOptions, twice: boolean): Promise<string> {
  if (passphraseEnv !== undefined) {
    const value = process.env[passphraseEnv];
    if (value === undefined) throw new TideError('usage', `environment variable ${passphraseEnv} is not set`);
    return value;
  }
  if (passphraseFile === '-') return readLine();
  if (passphraseFile !== undefined) return firstLine(passphraseFile);
  if (!canAsk())
    throw new TideError('usage', 'there is no terminal to ask on: give --passphrase-file or --passphrase-env');
  const first = await askHidden('Passphrase: ');
  if (twice && (await askHidden('The same again: ')) !== first)
    throw new TideError('usage', 'the two passphrases are not the same');
  return first;
}

async function firstLine(file: string): Promise<string> {
  try {
    const handle = await open(file, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(4 * MAX_PASSPHRASE), 0, 4 * MAX_PASSPHRASE, 0);
      return buffer.toString('utf8', 0, bytesRead).split(/\r?\n/, 1)[0] ?? '';
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new TideError('usage', `--passphrase-file ${file}: ${reasonOf(error)}`, { cause: error });
  }
}

/** Reads a line from the terminal that is not shown as it is typed. */
function askHidden(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  return new Promise((resolve, reject) => {
    let line = '';
    const end = (): void => {
      stdin.off('data', take);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
    };
    const take = (typed: string): void => {
      for (const character of typed) {
        if (character === '\r' || character === '\n' || character === '\u0004') {
          end();
          resolve(line);
          return;
        }
        if (character === '\u0003') {
          end();
          reject(new TideError('usage', 'broken off'));
          return;
        }
        if (character === '\u007f' || character === '\b') line = line.slice(0, -1);
        else line += character;
      }
    };
    stdin.on('data', take);
    stdin.resume();
  });
}
