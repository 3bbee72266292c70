/**
 * The process that is killed, starved and lied to: `workload-child.ts TASK.json`. Prints `ready`, waits for a line on
 * its standard input, opens the vault, and lets all writers work at once. What was acknowledged it writes as marks to a
 * file, a line each, after the promise resolved and not before. A second line makes it close the vault and end.
 */
import { existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { openVault, type Vault } from '@tidegate/nodes/vault';
import { Random } from '../random.ts';
import { SHRED_BEFORE, stepOf } from './script.ts';
import { summaryChanges } from './summaries.ts';
import type { Act, Task } from './task.ts';
import { Turnstile } from './turnstile.ts';
import { applyChanges, type WriterState } from './writer-state.ts';

const task = JSON.parse(readFileSync(process.argv[2], 'utf8')) as Task;
const marks = openSync(task.marks, 'a');
const mark = (...words: (string | number)[]): void => void writeSync(marks, `${words.join(' ')}\n`);
const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

const ending = new AbortController();
const lines = createInterface({ input: process.stdin });
const [go, stop] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
let told = 0;
lines.on('line', () => (told++ === 0 ? go : stop).resolve());
// Whoever started this is gone.
lines.on('close', () => process.exit(1));
console.log('ready');
await go.promise;

let vault: Vault;
try {
  vault = await openVault({
    directory: task.directory,
    key: { file: task.key },
    sizes: task.sizes,
    ...(task.budget && { budget: task.budget }),
  });
} catch (error) {
  mark('not-opened', codeOf(error));
  console.log(`not opened: ${String(error)}`);
  process.exit(3);
}
mark('opened', vault.journal.head);
console.log('opened');

/** Readings pass one by one; a shred, which keeps them waiting, passes alone: it is clear what it took with it. */
const turnstile = new Turnstile();

async function perform(act: Act): Promise<void> {
  if (act.act === 'fold') {
    mark('folding');
    await vault.fold();
    mark('folded');
  } else if (act.act === 'shred') {
    await turnstile.passAlone(() => shred(act.before));
  } else if (act.act === 'summarise') {
    const passed = vault.journal.head;
    await vault.commit(summaryChanges(passed, act.minutes, task.writers.length));
    mark('summarised', passed, act.minutes);
  } else if (act.act === 'give-way') {
    await giveWay();
  } else if (act.act === 'look') {
    const { gaps = 0 } = await vault.stats();
    mark(gaps > 0 ? 'declared' : 'not-declared');
    mark(existsSync(path.join(task.directory, 'vault.ballast')) ? 'not-released' : 'released');
  } else {
    mark('rotating');
    await vault.keys.prepareRotation({ file: act.to });
    // The command line writes the new reference here.
    mark('switched');
    await vault.keys.confirmRotation({ file: act.to });
    mark('rotated');
  }
}

async function giveWay(): Promise<void> {
  mark('giving-way');
  for (let looks = 1; ; looks++) {
    const { quota } = await vault.stats();
    if (quota === undefined || quota.used <= 0.9 * quota.bytes) break;
    await sleep(10);
    // What was given up in rows goes from the disk with a fold.
    if (looks % 30 === 0) await vault.fold();
  }
  await vault.fold();
  mark('gave-way');
}

/** One that failed may go on at the next fold: what it would take then is not known any more, and this process ends. */
async function shred(before: string): Promise<void> {
  mark('shredding', before);
  try {
    await vault.keys.shred(before);
    mark('shredded', before);
  } catch (error) {
    mark('not-shredded', codeOf(error));
    ending.abort();
    stop.resolve();
  }
}

/** Folds, and shreds, at random. What fails is tried again by the vault itself; the next round finds out. */
async function keepUp(): Promise<void> {
  const { shreds } = task.upkeep;
  const random = new Random(`${task.seed}/upkeep/${task.writers.map(({ next }) => next).join('/')}`);
  while (!ending.signal.aborted) {
    await sleep(random.between(5, 120));
    if (ending.signal.aborted) return;
    await perform(shreds && random.chance(0.5) ? { act: 'shred', before: random.pick(SHRED_BEFORE) } : { act: 'fold' });
  }
}

/** Goes on until told to end, until its steps are done, or until it does not know what became of a step. */
async function write(writer: number, state: WriterState): Promise<void> {
  for (let steps = 0; !ending.signal.aborted && steps < task.steps; steps++) {
    const step = stepOf(task.seed, writer, state);
    const { number } = step;
    try {
      if (step.kind === 'append') {
        const { batch } = step;
        await turnstile.pass(async () => {
          if (ending.signal.aborted) return;
          const position = await vault.journal.append(batch);
          state.position = position + batch.readings.length - 1;
          mark('appended', writer, number, position);
        });
      } else {
        const results = await vault.commit(step.changes);
        applyChanges(state, step.changes);
        mark('committed', writer, number, ...results.map(({ number: block }) => block));
      }
    } catch (error) {
      const code = codeOf(error);
      if (code === 'conflict') mark('conflict', writer, number);
      else if (code === 'disk-full') {
        mark('full', writer, number);
        await sleep(10);
      } else {
        mark('unknown', writer, number, code);
        stop.resolve();
        return;
      }
    }
    state.next++;
  }
}

/** Reads while the others write: a full disk or a failing sync is no reason not to answer. */
async function read(): Promise<void> {
  while (!ending.signal.aborted) {
    try {
      await vault.journal.read(Math.max(1, vault.journal.head - 200), 100);
      await vault.documents.list('w0');
      await vault.outbox.streams();
      for await (const page of vault.query({ series: ['w0/s1', 'w1/s2'] })) if (page.length > 0) break;
      mark('read');
    } catch (error) {
      mark('not-read', codeOf(error));
    }
    await sleep(20);
  }
}

const writing = Promise.all(task.writers.map((state, writer) => write(writer, state)));
const reading = read();
const keeping = (task.upkeep.folds ? keepUp() : Promise.resolve()).catch((error: unknown) =>
  mark('not-kept', codeOf(error)),
);
async function act(): Promise<void> {
  await writing;
  for (const one of task.acts) await perform(one);
}
void act()
  .catch((error: unknown) => mark('not-acted', codeOf(error)))
  .finally(() => stop.resolve());
await stop.promise;
ending.abort();
await Promise.all([writing, reading]);
try {
  await vault.close();
  mark('closed');
} catch (error) {
  mark('not-closed', codeOf(error));
}
// What was still folding was told that the vault is closed.
await keeping;
process.exit(0);
