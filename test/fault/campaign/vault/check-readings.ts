import assert from 'node:assert/strict';
import type { Reading } from '@tidegate/nodes/reading';
import { GAPS, gapSchema, type Range, type Vault } from '@tidegate/nodes/vault';
import { journalOf } from '../../../support/vault.ts';
import { MINUTES } from './summaries.ts';
import { isHeld, isThere, sameReading, type KnownBatch, type Ledger, type WriterBook } from './ledger.ts';

/** Readings by series, in order. */
export type BySeries = Map<string, Reading[]>;

/** What a query over all series gives. */
export async function queried(vault: Vault): Promise<BySeries> {
  const names = [...vault.series.entries()].map(({ name }) => name).sort();
  const found: BySeries = new Map();
  let last = '';
  for await (const page of vault.query({ series: names }))
    for (const reading of page) {
      const { series } = reading;
      if (series !== last) assert.ok(series > last && names.includes(series), `series ${series} after ${last}`);
      last = series;
      put(found, reading);
    }
  return found;
}

function put(to: BySeries, reading: Reading): void {
  const list = to.get(reading.series);
  if (list === undefined) to.set(reading.series, [reading]);
  else list.push(reading);
}

/** What a query has to give of some batches, when those before a time are gone as well. */
export function expectedOf(batches: readonly KnownBatch[], alsoBefore = -Infinity): BySeries {
  const expected: BySeries = new Map();
  for (const batch of batches)
    for (const [i, reading] of batch.readings.entries())
      if (isThere(batch, i) && reading.time >= alsoBefore) put(expected, reading);
  return expected;
}

/** All that the journal gives from a position on. */
export function journalFrom(vault: Vault, from: number, source?: string): Promise<Reading[]> {
  return journalOf(vault, source, 8_192, from);
}

/**
 * Holds all readings against the ledger: those that a query gives, and those that the journal gives to consumers from
 * their watermarks on. Learns whether a shred of which nobody knew took place. Returns the position of each writer's
 * unknown batch when it is there.
 */
export async function checkReadings(vault: Vault, ledger: Ledger): Promise<(number | undefined)[]> {
  const held = await journalFrom(vault, 1);
  // A start goes on with a shred that began; a fold ends it.
  if ((await vault.keys.status()).shredding !== undefined) {
    assert.ok(ledger.shredding !== undefined, 'a shred goes on that nobody asked for');
    await vault.fold();
    assert.equal((await vault.keys.status()).shredding, undefined, 'the shred goes on after a fold');
  }
  const found = await queried(vault);
  if (ledger.shredding !== undefined) settleShred(ledger, found);
  const unknown = ledger.writers.map((book, writer) => isUnknownThere(writer, book, found));
  for (const series of found.keys())
    assert.ok(Number(/^w(\d+)\//.exec(series)?.[1]) < ledger.writers.length, `nobody wrote "${series}"`);
  const positions = positionsOf(vault, ledger, unknown, held);
  checkJournal(held, ledger, positions, vault.journal.head);
  await checkSpan(vault, found);
  return positions;
}

/** A shred takes all that it was to take, or nothing. */
function settleShred(ledger: Ledger, found: BySeries): void {
  const before = Date.parse(`${ledger.shredding}-01`);
  const batches = ledger.writers.flatMap((book) => book.batches);
  const [gone, there] = [expectedOf(batches, before), expectedOf(batches)];
  const counts = [found, gone, there].map((readings) =>
    [...readings.values()].reduce((sum, { length }) => sum + length, 0),
  );
  assert.ok(
    counts[0] === counts[1] || counts[0] === counts[2],
    `after a shred before ${ledger.shredding} there are ${counts[0]} readings, neither ${counts[1]} nor ${counts[2]}`,
  );
  ledger.settleShred(counts[0] === counts[1]);
}

/** Every known reading once and in order; whether the batch of which nobody knew is there, whole, after them. */
function isUnknownThere(writer: number, { batches, unknown }: WriterBook, found: BySeries): boolean {
  const expected = expectedOf(batches);
  const maybe = new Set(batches.flatMap((batch) => batch.readings.filter((_, i) => !isHeld(batch, i))));
  const tail: BySeries = new Map();
  for (const [series, readings] of found) {
    if (!series.startsWith(`w${writer}/`)) continue;
    const known = expected.get(series) ?? [];
    let at = 0;
    for (const [i, one] of known.entries()) {
      // What consumers were left behind for is there until its file goes; that is not declared again.
      if (maybe.has(one) && (readings.at(at) === undefined || !sameReading(readings[at], one))) continue;
      assertSame(readings.at(at++), one, `${series}, reading ${i} of ${known.length}`);
    }
    if (readings.length > at) tail.set(series, readings.slice(at));
  }
  for (const [series, all] of expected)
    assert.ok(
      found.has(series) || all.every((one) => maybe.has(one)),
      `all ${all.length} readings of ${series} are gone`,
    );
  if (tail.size === 0) return false;
  assert.ok(unknown?.kind === 'append', `there is more of ${[...tail.keys()].join(', ')} than writer ${writer} wrote`);
  const whole: BySeries = new Map();
  for (const reading of unknown.batch.readings) put(whole, reading);
  for (const series of new Set([...whole.keys(), ...tail.keys()])) {
    const [is, was] = [tail.get(series) ?? [], whole.get(series) ?? []];
    assert.equal(is.length, was.length, `${series}: unknown step ${unknown.number} is not whole`);
    for (const [i, one] of was.entries()) assertSame(is[i], one, `${series}, unknown step ${unknown.number}`);
  }
  return true;
}

function assertSame(found: Reading | undefined, was: Reading, where: string): void {
  assert.ok(found !== undefined, `${where} is gone: ${JSON.stringify(was)}`);
  assert.ok(
    sameReading(found, was),
    `${where}: ${JSON.stringify(was)} was acknowledged, ${JSON.stringify(found)} is there`,
  );
}

/** Where the unknown batches that are there begin: as the journal says, and if it has let go of one, where there is room. */
function positionsOf(
  vault: Vault,
  { writers }: Ledger,
  there: readonly boolean[],
  held: readonly Reading[],
): (number | undefined)[] {
  const taken = new Uint8Array(vault.journal.head);
  const take = (position: number, count: number): void => {
    for (let at = position; at < position + count; at++) {
      assert.equal(taken[at], 0, `position ${at} was given out twice, or is not below the next one, ${taken.length}`);
      taken[at] = 1;
    }
  };
  const known = new Set<number>();
  for (const { batches } of writers)
    for (const { position, readings } of batches) {
      take(position, readings.length);
      known.add(position);
    }
  const positions = writers.map(({ unknown, batches }, writer) => {
    if (!there[writer] || unknown?.kind !== 'append') return undefined;
    const [first] = unknown.batch.readings;
    const after = (batches.at(-1)?.position ?? 0) + (batches.at(-1)?.readings.length ?? 1);
    const position = held.find(
      (one) => one.position! >= after && !taken[one.position!] && sameReading(one, first),
    )?.position;
    if (position !== undefined) take(position, unknown.batch.readings.length);
    return position;
  });
  const missing = positions.flatMap((position, writer) => (position === undefined && there[writer] ? [writer] : []));
  assert.ok(missing.length < 2, 'the journal let go of two batches that nobody had been told of');
  for (const writer of missing) {
    const { unknown } = writers[writer];
    if (unknown?.kind !== 'append') continue;
    positions[writer] = taken.indexOf(0, 1);
    take(positions[writer], unknown.batch.readings.length);
  }
  const hole = taken.indexOf(0, 1);
  assert.equal(hole, -1, `nothing is at position ${hole}, and the next reading gets ${vault.journal.head}`);
  return positions;
}

/** From the oldest reading that the journal still has, it has all of them but shredded ones. */
function checkJournal(
  held: readonly Reading[],
  { writers }: Ledger,
  positions: readonly (number | undefined)[],
  head: number,
): void {
  const first = held[0]?.position ?? head;
  const expected: { reading: Reading; maybe: boolean }[] = Array.from({ length: head - first });
  const expect = (position: number, readings: readonly Reading[], maybe: (i: number) => boolean): void => {
    for (const [i, reading] of readings.entries())
      if (position + i >= first) expected[position + i - first] = { reading, maybe: maybe(i) };
  };
  for (const [writer, { batches, unknown }] of writers.entries()) {
    for (const batch of batches) expect(batch.position, batch.readings, (i) => !isThere(batch, i));
    const at = positions[writer];
    if (at !== undefined && unknown?.kind === 'append') expect(at, unknown.batch.readings, () => false);
  }
  let next = 0;
  for (const one of held) {
    const at = one.position! - first;
    for (; next < at; next++) assert.ok(expected[next]?.maybe, `the journal has no reading ${first + next}`);
    assert.equal(at, next, 'positions of the journal');
    assertSame(one, expected[next++].reading, `position ${one.position} of the journal`);
  }
  for (; next < expected.length; next++) assert.ok(expected[next].maybe, `the journal ends before ${first + next}`);
}

/** A query for a span of time gives what lies in it. */
async function checkSpan(vault: Vault, found: BySeries): Promise<void> {
  const [one] = found.values();
  if (one === undefined) return;
  const [a, b] = [one[one.length >> 1], one[one.length >> 2]].map(({ time }) => time).sort((x, y) => x - y);
  for (const [series, all] of [...found].slice(0, 3)) {
    const expected = all.filter(({ time }) => time >= a && time < b);
    const got: Reading[] = [];
    for await (const page of vault.query({ series: [series], from: a, to: b })) got.push(...page);
    assert.equal(got.length, expected.length, `readings of ${series} from ${a} to ${b}`);
    for (const [i, reading] of expected.entries()) assertSame(got[i], reading, `${series} from ${a} to ${b}`);
  }
}

/** What a consumer that starts again reads first: the readings of its door from its watermark on. How many are missing. */
export async function notReplayed(vault: Vault, { batches }: WriterBook, own: string, from: number): Promise<number> {
  const read = new Set((await journalFrom(vault, from, own)).map(({ position }) => position!));
  return batches
    .flatMap((batch) => batch.readings.map((_, i) => (isHeld(batch, i) ? batch.position + i : 0)))
    .filter((position) => position >= Math.max(1, from))
    .filter((position) => !read.has(position)).length;
}

/**
 * Takes over into the ledger what the vault says that it gave up for want of room; for how many readings and blocks. No
 * position and no block is declared twice.
 */
export async function takeGaps(vault: Vault, { writers, summaries }: Ledger): Promise<number> {
  const given: Range[] = [];
  const overrun: Range[] = [];
  let count = 0;
  for (const { value } of await vault.documents.list(GAPS)) {
    const gap = gapSchema.parse(value);
    assert.ok(gap.cause === 'quota' || gap.cause === 'overrun', `a gap of cause ${gap.cause}`);
    count += gap.count;
    if (gap.what === 'blocks') {
      assert.ok(summaries !== undefined && gap.stream === MINUTES, `a gap in the blocks of ${gap.stream}`);
      let named = 0;
      for (const [from, to] of gap.blocks ?? [])
        for (let number = from; number <= to; number++, named++) summaries.given.add(number);
      assert.equal(gap.count, named, 'blocks of a gap against their numbers');
      continue;
    }
    assert.equal(gap.what, 'readings', 'what was given up');
    assert.ok(gap.positions !== undefined, 'a gap without positions');
    (gap.cause === 'quota' ? given : overrun).push(gap.positions);
    assert.equal(gap.count, gap.positions[1] - gap.positions[0] + 1, 'readings of a gap against its positions');
  }
  const ordered = given.toSorted(([a], [b]) => a - b);
  for (const [i, [from]] of ordered.entries())
    assert.ok(i === 0 || from > ordered[i - 1][1], `position ${from} was declared to be given up twice`);
  assert.ok((ordered.at(-1)?.[1] ?? 0) < vault.journal.head, 'what was never there is declared to be given up');
  if (count > 0)
    for (const batch of writers.flatMap(({ batches }) => batches)) {
      batch.given = given;
      batch.overrun = overrun;
    }
  return count;
}
