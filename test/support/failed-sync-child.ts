/**
 * A process whose catalogue's files do not come to the disk: `failed-sync-child.ts DIRECTORY KEY HOW`. Prints `ready` once
 * its documents are in the catalogue's log and nowhere else of the catalogue, waits for a line, tries once or twice
 * (`once`, `twice`) to copy the log into the database, and closes. `in-parts`: half of the log was copied before.
 */
import { once } from 'node:events';
import Database from 'better-sqlite3';
import { systemClock } from '../../nodes/src/node/clock.ts';
import { encodeCbor } from '../../nodes/src/vault/cbor.ts';
import { openSession } from '../../nodes/src/vault/engine/sqlite-session.ts';

const [directory, key, how] = process.argv.slice(2);
const { parts } = openSession({ directory, key: { file: key } }, systemClock);

function commit(from: number): void {
  for (let i = from; i < from + 100; i++)
    parts.commit([{ kind: 'document', namespace: 'n', key: `${i}`, value: encodeCbor(`${i} `.repeat(50)) }]);
  parts.flush();
}

commit(0);
parts.settle();
commit(100);
if (how === 'in-parts') {
  const reader = new Database(parts.databaseFile, { readonly: true });
  reader.exec('BEGIN');
  reader.prepare('SELECT count(*) FROM meta').get();
  commit(200);
  parts.settle();
  reader.close();
} else commit(200);
console.log('ready');
await once(process.stdin, 'data');
for (let tries = how === 'once' ? 1 : 2; tries > 0; tries--) {
  try {
    parts.settle();
    console.log('settled');
  } catch (error) {
    console.log(`not settled: ${String(error)}`);
  }
}
parts.close();
parts.owner.release();
process.exit(0);
