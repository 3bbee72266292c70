/**
 * A process that tests may kill. `append`: appends numbered readings in batches, several under way, and prints
 * `acknowledged POSITION FROM COUNT` once a batch is on the disk. `open`: opens the vault, prints `open` and stays.
 * `burst`: appends reading 0, prints `open`, and after SIGUSR2 hands in 50 readings and a document at once; prints
 * `done` for each that is on the disk, `readings N document VALUE` when it reads meanwhile, and ends.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { openVault, type Vault } from '@tidegate/nodes/vault';
import { journalOf, reading } from './vault.ts';

const [what, directory, key, first = '1', size = '20'] = process.argv.slice(2);
const vault = await openVault({ directory, key: { file: key } });

async function append(counter: { next: number }): Promise<void> {
  for (;;) {
    const from = counter.next;
    counter.next += Number(size);
    const readings = Array.from({ length: Number(size) }, (_, i) => reading(`s${(from + i) % 7}`, from + i));
    try {
      const position = await vault.journal.append({ source: 'child', readings });
      console.log(`acknowledged ${position} ${from} ${readings.length}`);
    } catch (error) {
      console.log(`failed ${error instanceof Error && 'code' in error ? String(error.code) : String(error)}`);
      await sleep(50);
    }
  }
}

const done = (): void => console.log('done');

async function burst(to: Vault): Promise<void> {
  const appends = Array.from({ length: 50 }, (_, i) =>
    to.journal.append({ source: 'child', readings: [reading('x', i + 1)] }).then(done),
  );
  const commit = to.commit([{ kind: 'document', namespace: 'n', key: 'k', value: 1 }]).then(done);
  const read = async (): Promise<void> => {
    const readings = await journalOf(to);
    console.log(`readings ${readings.length} document ${String(await to.documents.get('n', 'k'))}`);
  };
  await Promise.all([...appends, commit, read()]);
  await read();
  await to.close();
}

if (what === 'burst') {
  // A listener for a signal alone does not keep a process.
  const staying = setInterval(() => undefined, 1_000);
  const told = once(process, 'SIGUSR2').then(() => clearInterval(staying));
  await vault.journal.append({ source: 'child', readings: [reading('x', 0)] });
  console.log('open');
  await told;
  await burst(vault);
} else {
  console.log('open');
  const counter = { next: Number(first) };
  if (what === 'append') await Promise.all([append(counter), append(counter), append(counter)]);
  else await sleep(2 ** 30);
}
