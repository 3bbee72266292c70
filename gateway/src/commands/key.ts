import path from 'node:path';

import { reasonOf, TideError } from '@tidegate/nodes/node';
import { createKeyFile, describeKey, type KeyReference, type KeyStatus, type ShredReport } from '@tidegate/nodes/vault';
import type { Command } from 'commander';

import { readConfig } from '../config/file-config.ts';
import { writeKeyReference } from '../config/file-key-reference.ts';
import { vaultOptionsOf } from '../config/vault-options.ts';
import { keyText, monthSpans } from '../control/key-text.ts';
import type { GatewayStatus } from '../control/status.ts';
import { control, controlLines } from './control.ts';
import { aboutNewKey, checkNewKey, referenceFrom, TO } from './new-key.ts';
import { ask, canAsk } from './prompt.ts';

interface Json {
  json?: true;
}

/** No option takes a key or a passphrase: whoever lists processes reads those of all users. */
export function keyCommand(program: Command): void {
  const key = program
    .command('key')
    .summary("look after the vault's key")
    .description(
      "The vault's key: where it is, which months have data keys, changing it, and destroying months for good.\nWorks whether the gateway runs or not. A key is named by where it is and never stands on the command line.",
    );
  key
    .command('status')
    .description('show how the key is made, which months have a data key and which were shredded')
    .argument('<dir>', 'directory of the gateway')
    .option('--json', 'print one line of JSON')
    .action(status);
  key
    .command('new')
    .description('make a key file with 32 random bytes, readable by its owner alone')
    .argument('<file>', 'a file that does not exist yet, outside the vault')
    .action((file: string) => {
      createKeyFile(path.resolve(file));
      console.log(`Made ${file}. Keep a copy of it away from the device.`);
    });
  key
    .command('rotate')
    .description(
      `change the key of the vault; no data is written again.\nWithout --to the key stays what it is and is wrapped anew: fresh salt, today's cost of a passphrase.`,
    )
    .argument('<dir>', 'directory of the gateway')
    .option('--to <reference>', `where the new key is: ${TO}`)
    .option('--json', 'print one line of JSON')
    .action(rotate);
  key
    .command('shred')
    .description('destroy all months before one, and their data keys, for good')
    .argument('<dir>', 'directory of the gateway')
    .requiredOption('--before <month>', 'the first month that stays, e.g. 2026-03')
    .option('--to <reference>', `change the key of the vault afterwards (recommended): ${TO}`)
    .option('--yes', 'do not ask')
    .option('--json', 'print one line of JSON')
    .action(shred);
}

async function status(directory: string, { json }: Json): Promise<void> {
  const found = await control<KeyStatus>(directory, 'GET', '/key');
  const key = describeKey((await present(directory)).key);
  console.log(json === true ? JSON.stringify({ key, ...found }) : keyText(found, key));
}

async function rotate(directory: string, { to, json }: Json & { to?: string }): Promise<void> {
  const done = await changeKey(directory, to);
  console.log(json === true ? JSON.stringify(done) : rotatedText(done));
}

interface Rotated {
  key: string;
  /** The key that does not open the vault any more; null when only its wrapping changed. */
  replaced: string | null;
}

/**
 * In three steps, so that a crash between any two of them leaves a vault that opens with the key that gateway.yaml names:
 * both keys open it, gateway.yaml names the new one, the new one alone opens it.
 */
async function changeKey(directory: string, to: string | undefined): Promise<Rotated> {
  const { key: old } = await present(directory);
  const next = to === undefined ? old : referenceFrom(to);
  const body = { to: next };
  const { state } = await prepared(directory, next, to !== undefined);
  if (describeKey(next) !== describeKey(old)) await nameInConfig(directory, next, state);
  if (state === 'prepared') await control(directory, 'PUT', '/key/rotation', body);
  return { key: describeKey(next), replaced: state === 'prepared' ? describeKey(old) : null };
}

async function prepared(directory: string, next: KeyReference, isNew: boolean): Promise<{ state: string }> {
  const prepare = (): Promise<{ state: string }> => control(directory, 'POST', '/key/rotation', { to: next });
  if (!isNew) return prepare();
  if ('file' in next) checkNewKey(next, (await present(directory)).directory);
  // Whatever is wrong with the present key shows here.
  else await control(directory, 'GET', '/key');
  try {
    return await prepare();
  } catch (error) {
    throw aboutNewKey(error, next);
  }
}

async function nameInConfig(directory: string, next: KeyReference, state: string): Promise<void> {
  try {
    await writeKeyReference(directory, withinConfig(directory, next));
  } catch (error) {
    // The old key is still the one that gateway.yaml names, and has to stay the only one.
    if (state === 'prepared') await control(directory, 'DELETE', '/key/rotation');
    throw error;
  }
}

function rotatedText({ key, replaced }: Rotated): string {
  if (replaced === null) return `The vault opens with ${key}, wrapped anew.`;
  return [
    `The vault opens with ${key} and with no other, and gateway.yaml names it.`,
    `${replaced} does not open it any more, but still opens copies of the vault from before. Deleting it is up to you;`,
    'make sure first that a copy of the new key lies away from the device.',
  ].join('\n');
}

async function shred(
  directory: string,
  { before, to, yes, json }: Json & { before: string; to?: string; yes?: true },
): Promise<void> {
  if (!/^\d{4}-(?:0[1-9]|1[0-2])$/.test(before))
    throw new TideError('usage', `--before: found "${before}", allowed: a month, e.g. 2026-03`);
  // Before anything is destroyed: a key that is not there is no reason to stop half-way.
  if (to !== undefined) await checkTo(directory, referenceFrom(to));
  const { months } = await control<KeyStatus>(directory, 'GET', '/key');
  const doomed = months.filter((month) => month < before);
  if (yes !== true) await confirm(before, doomed);
  const report = await shredded(directory, before);
  // In this order: no header that the new key opens ever held the keys of these months.
  const rotated = to === undefined ? undefined : await changeAfterShred(directory, to, report);
  if (json === true) {
    console.log(JSON.stringify({ ...report, ...rotated }));
    return;
  }
  console.log(shreddedText(report));
  const { journalKeys } = await control<KeyStatus>(directory, 'GET', '/key');
  if (journalKeys > 1)
    console.log(
      'What came in before still lies in the journal, for flows that have yet to read it; its key goes when they have.\ntidegate key status says when that is done.',
    );
  console.log(
    rotated === undefined
      ? 'Old copies of the wrapped keys may survive in the flash or in backups, and this key still opens them.\nChange it, too, and destroy the old one: tidegate key rotate DIR --to file:PATH'
      : `${rotatedText(rotated)}\nUntil the old key is destroyed, old copies of the wrapped keys can be opened with it.`,
  );
}

/** What only a running gateway can read, it reads when the key is changed. */
async function checkTo(directory: string, to: KeyReference): Promise<void> {
  const vault = (await present(directory)).directory;
  if ('file' in to || !(await control<GatewayStatus>(directory, 'GET', '/status')).running) checkNewKey(to, vault);
}

async function changeAfterShred(directory: string, to: string, report: ShredReport): Promise<Rotated> {
  try {
    return await changeKey(directory, to);
  } catch (error) {
    const code = error instanceof TideError ? error.code : 'failed';
    throw new TideError(code, `${shreddedText(report)} But the key was not changed: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

const shreddedText = ({ before, months }: ShredReport): string =>
  months.length === 0
    ? `No month before ${before} had a key; what there was of them is gone.`
    : `Destroyed: ${monthSpans(months)}.`;

async function confirm(before: string, doomed: string[]): Promise<void> {
  if (!canAsk()) throw new TideError('usage', 'there is nobody to ask: add --yes to destroy these months');
  console.error(
    `All readings, waiting blocks, alerts and rejections of the months before ${before} are destroyed, here and for good:`,
  );
  console.error(`  ${doomed.length === 0 ? 'no month has a key' : monthSpans(doomed)}`);
  console.error('What the cloud has of them stays there.');
  const answer = await ask(`Type ${before} to go on`, '');
  if (answer !== before) throw new TideError('usage', 'nothing was destroyed');
}

/** Takes as long as it takes: the vault is rewritten without these months. */
async function shredded(directory: string, before: string): Promise<ShredReport> {
  for await (const line of controlLines(directory, 'POST', '/key/shred', { before }))
    if ('end' in line) return line.end as ShredReport;
  throw new TideError('cut-off', 'the gateway broke its answer off; see how far it is with: tidegate key status');
}

async function present(directory: string): Promise<{ key: KeyReference; directory: string }> {
  return vaultOptionsOf(path.resolve(directory), await readConfig(directory));
}

/** A key file inside the gateway's directory is named relative to it, so that the directory can move. */
function withinConfig(directory: string, key: KeyReference): KeyReference {
  if (!('file' in key)) return key;
  const relative = path.relative(path.resolve(directory), key.file);
  return relative.startsWith('..') || path.isAbsolute(relative) ? key : { file: relative };
}
