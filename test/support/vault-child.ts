/**
 * A process that tests may kill. `append`: appends numbered readings in batches, several under way, and prints
 * `acknowledged FROM TO` once a batch is on the disk. `open`: opens the vault, prints `open` and stays. `hold`: keeps
 * the database's write lock from outside.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { openVault } from '@tidegate/nodes/vault';
import { reading } from './vault.ts';

const [what, directory, key, first = '1', size = '20'] = process.argv.slice(2);

if (what === 'hold') {
  const db = new Database(`${directory}/vault.db`);
  db.exec('BEGIN IMMEDIATE');
  console.log('held');
  process.stdin.once('data', () => db.close());
} else {
  const vault = await openVault({ directory, key: { file: key } });
  console.log('open');
  if (what === 'append') {
    let next = Number(first);
    const append = async (): Promise<void> => {
      for (;;) {
        const from = next;
        next += Number(size);
        const readings = Array.from({ length: Number(size) }, (_, i) => reading(`s${(from + i) % 7}`, from + i));
        try {
          const position = await vault.journal.append({ source: 'child', readings });
          console.log(`acknowledged ${position} ${from} ${readings.length}`);
        } catch (error) {
          console.log(`failed ${error instanceof Error && 'code' in error ? String(error.code) : String(error)}`);
          await sleep(50);
        }
      }
    };
    await Promise.all([append(), append(), append()]);
  } else await sleep(2 ** 30);
}
