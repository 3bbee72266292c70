import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Reading } from '@tidegate/nodes/reading';
import type { Vault } from '@tidegate/nodes/vault';
import { reading } from '../../../support/vault.ts';
import { expectedOf, journalFrom, notReplayed, queried } from './check-readings.ts';
import { stateOf } from './check.ts';
import { sameReading, type Ledger } from './ledger.ts';
import { contentOf, type WriterContent } from './writer-state.ts';

/** Readings that one flipped bit may cost: those of one sealed box of about 64 kB, or of one chunk of a series. */
const MAX_READINGS = 8_192;
/** Rows that it may cost: what one group commit of all writers put into one box. */
const MAX_ROWS = 64;

/**
 * Holds a vault with a flipped bit against the ledger: no invented or altered reading, at most one box of them lost, all
 * else as it was save a few rows; and where anything is not as it was, `stats()` says so. The vault takes commits as
 * before. Says `unchanged` or `named`.
 */
export async function checkDamaged(vault: Vault, ledger: Ledger): Promise<'unchanged' | 'named'> {
  const found = await queried(vault);
  const expected = expectedOf(ledger.writers.flatMap(({ batches }) => batches));
  checkHeld(await journalFrom(vault, 1), ledger);
  let lost = 0;
  // The same readings, as consumers find them: a damaged box of the journal takes them from both.
  let unseen = 0;
  let rows = 0;
  for (const series of new Set([...expected.keys(), ...found.keys()]))
    lost += lostOf(series, expected.get(series) ?? [], found.get(series) ?? []);
  for (const [writer, book] of ledger.writers.entries()) {
    const watermark = book.state.consumer?.replayFrom;
    if (watermark !== undefined) unseen += await notReplayed(vault, book, `w${writer}`, watermark);
    rows += rowsLost(writer, contentOf(book.state), await stateOf(vault, writer));
  }
  const { damaged, problems } = await vault.stats();
  const named = damaged > 0 || problems.length > 0;
  assert.ok(
    named || (lost === 0 && unseen === 0 && rows === 0),
    `${lost} readings, ${unseen} for consumers, and ${rows} rows are not as they were; nothing is named`,
  );
  const highest = Math.max(0, ...ledger.writers.map(({ state }) => state.position));
  await takesCommits(vault, highest);
  const words = `${problems.join('; ')} (damaged: ${damaged})`;
  assert.ok(lost <= MAX_READINGS, `one bit cost ${lost} readings: ${words}`);
  assert.ok(unseen <= MAX_READINGS, `one bit cost consumers ${unseen} readings: ${words}`);
  assert.ok(rows <= MAX_ROWS, `one bit cost ${rows} rows: ${words}`);
  return named ? 'named' : 'unchanged';
}

/**
 * How many of a series' readings are not there. What is there has to be what was written, in the same order.
 */
function lostOf(series: string, expected: readonly Reading[], found: readonly Reading[]): number {
  let at = 0;
  for (const one of found) {
    while (at < expected.length && !sameReading(expected[at], one)) at++;
    assert.ok(at < expected.length, `${series}: ${JSON.stringify(one)} is altered or invented`);
    at++;
  }
  return expected.length - found.length;
}

/** What the journal gives is what was written there. */
function checkHeld(held: readonly Reading[], { writers }: Ledger): void {
  const written = new Map<number, Reading>();
  for (const { batches } of writers)
    for (const { position, readings } of batches)
      for (const [i, one] of readings.entries()) written.set(position + i, one);
  for (const one of held) {
    const was = written.get(one.position!);
    written.delete(one.position!);
    assert.ok(
      was !== undefined && sameReading(one, was),
      `position ${one.position} of the journal is altered or twice`,
    );
  }
}

function differing<T>(a: readonly T[], b: readonly T[], key: (one: T) => unknown): number {
  const others = new Map(b.map((one) => [key(one), one]));
  const missing = a.filter((one) => !isDeepStrictEqual(others.get(key(one)), one)).length;
  for (const one of a) others.delete(key(one));
  return missing + others.size;
}

/** Entries that are not as they were. */
function rowsLost(writer: number, expected: WriterContent, found: WriterContent): number {
  // A number given out once is not given out again, save by another incarnation, under which no block lies yet.
  assert.ok(found.sealed >= expected.sealed || found.blocks.length === 0, `writer ${writer}: block numbers went back`);
  return (
    differing(expected.blocks, found.blocks, ([number]) => number) +
    differing(expected.alerts, found.alerts, ([id, revision]) => `${id}/${revision}`) +
    differing(expected.consumer?.series ?? [], found.consumer?.series ?? [], ([series]) => series) +
    differing(Object.entries(expected.documents), Object.entries(found.documents), ([key]) => key) +
    Number(expected.cause !== found.cause) +
    Number(expected.sealed !== found.sealed) +
    Number(expected.consumer?.replayFrom !== found.consumer?.replayFrom)
  );
}

async function takesCommits(vault: Vault, highest: number): Promise<void> {
  const { problems } = await vault.stats();
  const position = await vault.journal.append({ source: 'after', readings: [reading('after', 1)] });
  const isAnother = problems.some((problem) => problem.includes('goes on under a new incarnation'));
  assert.ok(position > highest || isAnother, 'a position was given out again');
  await vault.commit([{ kind: 'document', namespace: 'after', key: 'k', value: 1 }]);
  assert.equal(await vault.documents.get('after', 'k'), 1);
  const { readings } = await vault.journal.read(position, 1);
  assert.equal(readings[0]?.series, 'after');
}
