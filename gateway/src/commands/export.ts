import { readFile, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { reasonOf, systemClock, TideError } from '@tidegate/nodes/node';
import { openVault } from '@tidegate/nodes/vault';
import type { Command } from 'commander';

import type { Access } from '../backup/age/age-header.ts';
import { parseRecipient } from '../backup/age/age-keys.ts';
import { type ExportSource, Exports } from '../backup/exports.ts';
import { exportTo } from '../backup/file-export.ts';
import { gatewayFiles } from '../backup/file-gateway.ts';
import { refuseHalfImported } from '../backup/file-marker.ts';
import { exportSocket, GatewayExports } from '../backup/http-export.ts';
import { readConfig } from '../config/file-config.ts';
import { vaultOptionsOf } from '../config/vault-options.ts';
import { socketPath } from '../control/socket-path.ts';
import { bytesText } from '../control/status-text.ts';
import { grouped } from '../replay/progress.ts';
import { collect } from './options.ts';
import { passphraseFrom, type PassphraseOptions, passphraseOptions } from './passphrase.ts';
import { ProgressShow } from './progress.ts';

interface Options extends PassphraseOptions {
  out: string;
  recipient?: string[];
  recipientsFile?: string[];
  json?: true;
}

const MAX_RECIPIENTS = 100;
const MAX_RECIPIENTS_FILE = 64 * 1024;
/** Work of a passphrase, as age itself has it (256 MiB), and where there is little memory (64 MiB). */
const WORK_FACTOR = 18;
const SMALL_WORK_FACTOR = 16;
const SMALL_MACHINE = 2 * 2 ** 30;

export function exportCommand(program: Command): void {
  const command = program
    .command('export')
    .summary('copy the vault into one encrypted file')
    .description(
      'Writes all that is in the vault of the gateway in DIR to FILE, encrypted with age, whether the gateway runs or not.\nCalled again after an interruption it goes on where it was.',
    )
    .argument('<dir>', 'directory of the gateway')
    .requiredOption('-o, --out <file>', 'the file to write; it must not be there yet')
    .option('-r, --recipient <key>', 'who can open it: age1…, made by age-keygen (several times)', collect)
    .option('-R, --recipients-file <file>', 'a file with recipients, one in a line (several times)', collect);
  passphraseOptions(command).option('--json', 'print the result as one line of JSON').action(run);
}

async function run(directory: string, options: Options): Promise<void> {
  const access = await accessFrom(options);
  await refuseHalfImported(directory);
  const source = await sourceOf(directory);
  const show = new ProgressShow('exporting');
  try {
    const result = await exportTo(options.out, source, access, {
      progress: ({ bytes, readings, share }) =>
        show.update(share, `${bytesText(bytes)}, ${grouped(readings)} readings`),
      note: (line) => console.error(line),
    });
    show.end();
    if (options.json === true) console.log(JSON.stringify(result));
    else {
      console.log(`Wrote ${options.out}: ${grouped(result.readings)} readings, ${bytesText(result.bytes)}.`);
      const opened = 'passphrase' in access ? '' : '-i KEYFILE ';
      console.log(`  look inside  age -d ${opened}${options.out} | tar -tv`);
      console.log(`  restore      tidegate import ${options.out} --into DIR`);
      console.log('It holds the secret keys of the gateway: whoever opens it can speak for it.');
    }
  } finally {
    show.end();
    await source.close();
  }
}

/** The running gateway's vault over its socket, else the vault itself. */
async function sourceOf(directory: string): Promise<ExportSource> {
  const config = await readConfig(directory);
  const socket = exportSocket(socketPath(directory, os.tmpdir(), process.platform));
  if (await GatewayExports.listens(socket)) return new GatewayExports(socket);
  const vault = await openVault(vaultOptionsOf(path.resolve(directory), config), systemClock);
  const exports = new Exports(vault, {
    name: config.name,
    files: () => gatewayFiles(directory),
    now: () => systemClock.now(),
  });
  const close = exports.close.bind(exports);
  exports.close = async () => {
    await close();
    await vault.close();
  };
  return exports;
}

async function accessFrom(options: Options): Promise<Access> {
  const texts = [...(options.recipient ?? [])];
  for (const file of options.recipientsFile ?? []) texts.push(...(await recipientsIn(file)));
  const passphrase = await passphraseFrom(options, true);
  if (passphrase !== undefined && texts.length > 0)
    throw new TideError('usage', 'a file opens with a passphrase or for recipients, not both: that is how age has it');
  if (passphrase !== undefined)
    return { passphrase, workFactor: os.totalmem() < SMALL_MACHINE ? SMALL_WORK_FACTOR : WORK_FACTOR };
  if (texts.length === 0)
    throw new TideError(
      'usage',
      'say who can open the file: --recipient AGE1…, --recipients-file FILE or --passphrase',
    );
  const recipients = [...new Set(texts)].map(recipient);
  if (recipients.length > MAX_RECIPIENTS)
    throw new TideError('usage', `${recipients.length} recipients, allowed: at most ${MAX_RECIPIENTS}`);
  return { recipients };
}

/** A wrong one lies in the command line. */
function recipient(text: string): Uint8Array {
  try {
    return parseRecipient(text);
  } catch (error) {
    throw new TideError('usage', reasonOf(error), { cause: error });
  }
}

async function recipientsIn(file: string): Promise<string[]> {
  try {
    if ((await stat(file)).size > MAX_RECIPIENTS_FILE)
      throw new TideError('usage', `has more than ${MAX_RECIPIENTS_FILE} bytes`);
    const lines = (await readFile(file, 'utf8')).split(/\r?\n/).map((line) => line.trim());
    const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
    if (keys.length === 0) throw new TideError('usage', 'holds no recipient');
    return keys;
  } catch (error) {
    throw new TideError('usage', `--recipients-file ${file}: ${reasonOf(error)}`, { cause: error });
  }
}
