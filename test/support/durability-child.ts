/**
 * A process that commits one thing of each kind and is killed: `durability-child.ts DIRECTORY KEY MARKS`, then commands on
 * its standard input, a line each:
 *   write TAG   commits what `test/contract/durability.ts` names, one after the other; writes `durable TAG RECORD KIND` or
 *               `refused TAG CODE KIND` to the file MARKS after each
 *   fold, close
 * It prints `done COMMAND` after each.
 */
import { openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openVault } from '@tidegate/nodes/vault';
import { KINDS } from '../contract/durability.ts';
import { newestRecord } from './journal-records.ts';

const [directory, key, marksFile] = process.argv.slice(2);
const marks = openSync(marksFile, 'a');
const vault = await openVault({ directory, key: { file: key } });

async function write(tag: string): Promise<void> {
  for (const [name, kind] of Object.entries(KINDS)) {
    try {
      await kind.prepare?.(vault, tag);
      await kind.write(vault, tag);
      writeSync(marks, `durable ${tag} ${newestRecord(directory)} ${name}\n`);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      writeSync(marks, `refused ${tag} ${code} ${name}\n`);
    }
  }
  // The newest record is one that nobody asks for: a damaged newest one cannot be told from an unfinished one.
  await vault.commit([{ kind: 'document', namespace: 'end', key: tag, value: 1 }]).catch(() => undefined);
}

console.log('done open');
for await (const line of createInterface({ input: process.stdin })) {
  const [command, tag] = line.split(' ');
  if (command === 'write') await write(tag);
  else if (command === 'fold') await vault.fold();
  else if (command === 'close') await vault.close();
  console.log(`done ${line}`);
}
