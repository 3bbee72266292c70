/**
 * A process that tests may kill or starve: `full-child.ts DIRECTORY KEY QUOTA BALLAST FIRST`. Appends bulky readings, one
 * batch after the other, and prints `acknowledged FROM COUNT` once a batch is on the disk, `refused CODE` when it is not.
 * Every 20th commit is a document, every second an alert-sized block of a stream; reads meanwhile and prints `read N`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openVault } from '@tidegate/nodes/vault';
import { bulky } from './room.ts';

const [directory, key, quota, ballast, first] = process.argv.slice(2);
const BATCH = 250;
const vault = await openVault({
  directory,
  key: { file: key },
  budget: { quotaBytes: Number(quota), ballastBytes: Number(ballast) },
});
console.log('open');

async function read(): Promise<void> {
  for (;;) {
    const { problems } = await vault.stats();
    await vault.documents.list('state');
    console.log(`read ${problems.length} ${problems.join(' | ')}`);
    await sleep(50);
  }
}

async function append(): Promise<void> {
  for (let next = Number(first); ; next += BATCH) {
    try {
      await vault.journal.append({ source: 'child', readings: bulky(next, BATCH) });
      console.log(`acknowledged ${next} ${BATCH}`);
    } catch (error) {
      console.log(`refused ${error instanceof Error && 'code' in error ? String(error.code) : String(error)}`);
      await sleep(50);
    }
    await vault.commit([{ kind: 'document', namespace: 'state', key: 'next', value: next }]).catch((error: unknown) => {
      console.log(`refused ${error instanceof Error && 'code' in error ? String(error.code) : String(error)}`);
    });
  }
}
await Promise.all([read(), append()]);
