import { readFile } from 'node:fs/promises';

import { reasonOf, TideError } from '@tidegate/nodes/node';
import type { Command } from 'commander';

import type { Opener } from '../backup/age/age-header.ts';
import { parseIdentities, type X25519Pair } from '../backup/age/age-keys.ts';
import { type ImportResult, importInto, isForPassphrase } from '../backup/file-import.ts';
import { grouped } from '../replay/progress.ts';
import { collect } from './options.ts';
import { passphraseFrom, type PassphraseOptions, passphraseOptions } from './passphrase.ts';
import { ProgressShow } from './progress.ts';

interface Options extends PassphraseOptions {
  into: string;
  identity?: string[];
  signer?: string;
  anew?: true;
  json?: true;
}

export function importCommand(program: Command): void {
  const command = program
    .command('import')
    .summary('restore a vault from such a file')
    .description(
      'Checks all of FILE, made by tidegate export, then restores it into DIR: a new directory, or a gateway whose vault is empty.\nCalled again after an interruption it goes on where it was.',
    )
    .argument('<file>', 'made by tidegate export')
    .requiredOption('--into <dir>', 'a directory that is empty or does not exist yet, or one made by tidegate init')
    .option('-i, --identity <file>', 'key file made by age-keygen (several times)', collect);
  passphraseOptions(command)
    .option('--signer <key>', 'refuse a file that this public key (hexadecimal) did not sign')
    .option('--anew', 'throw away what an interrupted import has brought in, and begin again')
    .option('--json', 'print the result as one line of JSON')
    .action(run);
}

async function run(file: string, options: Options): Promise<void> {
  const opener = await openerFrom(file, options);
  const checking = new ProgressShow('checking');
  const restoring = new ProgressShow('restoring');
  try {
    const result = await importInto(file, options.into, {
      opener,
      anew: options.anew === true,
      ...(options.signer === undefined ? {} : { signer: options.signer }),
      watch: {
        checked: (readings, share) => checking.update(share, `${grouped(readings)} readings`),
        restored: (readings, of) => {
          checking.end();
          restoring.update(of === 0 ? 1 : readings / of, `${grouped(readings)} readings`);
        },
      },
    });
    restoring.end();
    if (options.json === true) console.log(JSON.stringify(summary(options.into, result)));
    else report(options.into, result);
  } finally {
    checking.end();
    restoring.end();
  }
}

async function openerFrom(file: string, options: Options): Promise<Opener> {
  const passphrase = await passphraseFrom(options, false);
  if (passphrase !== undefined && options.identity !== undefined)
    throw new TideError('usage', 'give --identity or a passphrase, not both');
  if (passphrase !== undefined) return { passphrase };
  if (options.identity !== undefined) {
    const identities = await Promise.all(options.identity.map(identitiesIn));
    return { identities: identities.flat() };
  }
  throw new TideError(
    'usage',
    (await isForPassphrase(file))
      ? `${file} was made with a passphrase: give --passphrase`
      : `${file} was made for recipients: give --identity KEYFILE`,
  );
}

async function identitiesIn(file: string): Promise<X25519Pair[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new TideError('bad-identity', `--identity ${file}: ${reasonOf(error)}`, { cause: error });
  }
  return parseIdentities(text, file);
}

function summary(directory: string, { verified, ...result }: ImportResult): object {
  const { gateway, incarnation, created, counts, signer } = verified.manifest;
  return { directory, gateway, ...result, from: { incarnation, created, lost: counts.lost }, signer };
}

function report(directory: string, { readings, incarnation, aside, unnamed, made, verified }: ImportResult): void {
  const { gateway, created, counts, signer, incarnation: old } = verified.manifest;
  const by = signer.is === 'gateway' ? 'the key of the gateway' : 'a key of its vault (it was not enrolled)';
  console.log(`Restored gateway ${gateway} as of ${new Date(created).toISOString()} in ${directory}.`);
  console.log(`  readings     ${grouped(readings)}`);
  console.log(`  signed by    ${signer.publicKey}, ${by}`);
  console.log(`  incarnation  ${incarnation}, it was ${old}`);
  if (aside.blocks + aside.windows > 0)
    console.log(
      `  old blocks   ${grouped(aside.blocks)} that waited for the cloud go out under the old incarnation where the cloud lacks them; ${grouped(aside.windows)} series had open windows, which are declared as lost`,
    );
  if (counts.lost > 0) console.log(`  damaged      ${grouped(counts.lost)} records could not be read when it was made`);
  if (unnamed > 0)
    console.log(`  read again   ${grouped(unnamed)} consumers were damaged and start with the oldest reading`);
  if (made) console.log('  flows        passwords that were typed into the flows have to be typed in again');
  console.log('The old gateway must not run any more under this identity.');
  console.log(`Run it with: tidegate run ${directory}`);
}
