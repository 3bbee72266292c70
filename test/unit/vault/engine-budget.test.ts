import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { emptySummary, encodeBlock, streamOf, type Part } from '@tidegate/nodes/summary';
import { encodeCbor, openLocalVault, type BudgetOptions, type Change, type Vault } from '@tidegate/nodes/vault';
import { TideError } from '../../../nodes/src/node/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { bulky, bytesBelow, countOf, gapsOf, numbersIn } from '../../support/room.ts';
import { VaultFolder } from '../../support/vault.ts';

const MIB = 1 << 20;
const QUOTA = 24 * MIB;
/** What may lie above the quota for a moment: one group of commits, and the catalogue's log while a fold copies it. */
const TOLERANCE = 2 * MIB;
const BATCH = 500;

const noise = (): string => randomBytes(192).toString('base64');

/** A block of one window, with so many bytes, about, that no codec makes small. */
function block(windowStart: number, bytes: number): Uint8Array {
  const parts = Array.from({ length: Math.ceil(bytes / 540) }, (_, i): Part => {
    const first = { time: windowStart, position: 2 * i + 1, value: noise() };
    const last = { time: windowStart, position: 2 * i + 2, value: noise() };
    return { series: i + 1, windowStart, summary: { ...emptySummary(), count: 2, first, last } };
  });
  return encodeBlock(parts);
}

/** Documents are never given up. */
const document = (i: number, value: unknown): Change => ({
  kind: 'document',
  namespace: 'big',
  key: String(i),
  value,
});

describe('a vault with a quota', () => {
  let folder: VaultFolder;
  let vault: Vault;
  let highest: number;

  beforeEach(async () => {
    folder = new VaultFolder();
    highest = 0;
    await open({ quotaBytes: QUOTA, ballastBytes: MIB });
  });

  afterEach(async () => {
    await vault.close();
    folder.remove();
  });

  async function open(budget: BudgetOptions): Promise<void> {
    vault = await openLocalVault({ ...folder.options, budget });
  }

  /** Appends readings `first` to `end - 1`, as fast as they are taken; what goes on in the background gets its turns. */
  async function tryLoad(first: number, end: number): Promise<void> {
    for (let next = first; next < end; next += BATCH) {
      await vault.journal.append({ source: 'door', readings: bulky(next, BATCH) });
      for (let i = 0; i < 4; i++) await turn();
      highest = Math.max(highest, bytesBelow(folder.directory));
    }
  }

  /**
   * The same as a door does it: what is refused is sent again. Where the processor is busy, a fold gets less done in its
   * turns than comes in, and what is not folded cannot be given up.
   */
  async function load(first: number, end: number): Promise<void> {
    for (let next = first; next < end; next += BATCH)
      await eventually(`readings from ${next} on are taken in`, async () => {
        try {
          await tryLoad(next, next + BATCH);
          return true;
        } catch (error) {
          if (error instanceof TideError && error.code === 'disk-full') return false;
          throw error;
        }
      });
  }

  it('stays below it under load, keeps the newest readings and names exactly what is missing', async function () {
    this.timeout(300_000);
    await load(0, 150_000);
    await vault.fold();
    const gaps = await gapsOf(vault);
    const found = await numbersIn(vault);
    const { quota, gaps: count, problems } = await vault.stats();
    assert.ok(highest <= QUOTA + TOLERANCE, `${highest} bytes of ${QUOTA}`);
    assert.equal(found.size + countOf(gaps, ['quota']), 150_000);
    assert.ok(found.size > 20_000, `${found.size} readings are left`);
    for (let number = 150_000 - found.size; number < 150_000; number++) assert.ok(found.has(number), String(number));
    assert.deepEqual(
      gaps.map(({ positions }) => positions),
      [[1, 150_000 - found.size]],
    );
    assert.equal(quota?.bytes, QUOTA);
    assert.ok(quota.used <= QUOTA);
    assert.deepEqual([count, problems], [1, []]);
  });

  it('takes nothing more in when all that is left is still needed, lets everything else go on, and goes on by itself', async function () {
    this.timeout(120_000);
    let [taken, documents] = [0, 0];
    let refused: unknown;
    for (; refused === undefined && documents < 30; documents++) {
      await vault.commit([document(documents, randomBytes(900_000))]);
      refused = await tryLoad(taken, taken + 4 * BATCH).then(
        () => void (taken += 4 * BATCH),
        (error: unknown) => error,
      );
      await sleep(50);
    }
    // Some of the last ones may have been taken.
    taken = vault.journal.head - 1;
    assert.ok(refused instanceof Error && 'code' in refused && refused.code === 'disk-full', String(refused));
    assert.ok(taken > 0);
    await eventually('all that may go is gone', async () => (await vault.stats()).problems.length > 0);
    const { problems } = await vault.stats();
    assert.equal(problems.length, 1);
    assert.match(problems[0], /quota of 25165824 bytes is used up/);

    // In one group with readings that are refused, what makes room is written all the same.
    const [append, commit] = await Promise.allSettled([
      vault.journal.append({ source: 'door', readings: bulky(taken, 1) }),
      vault.commit(Array.from({ length: documents }, (_, i) => document(i, undefined))),
    ]);
    assert.deepEqual([append.status, commit.status], ['rejected', 'fulfilled']);
    await eventually('readings are taken in again', async () => {
      await tryLoad(taken, taken + BATCH);
      return true;
    });
    taken += BATCH;
    await vault.fold();
    const found = await numbersIn(vault);
    assert.equal(found.size + countOf(await gapsOf(vault), ['quota']), taken);
    assert.deepEqual((await vault.stats()).problems, []);
  });

  it('gives up fine blocks that coarse ones cover, finest first, and keeps coarse ones, alerts and documents', async function () {
    this.timeout(120_000);
    const day = Date.UTC(2026, 8, 1);
    const streams = [60, 900, 3_600, 86_400];
    const changes: Change[] = [
      { kind: 'consumer', consumer: 'summary/a', replayFrom: 1 },
      { kind: 'document', namespace: 'state', key: 'set-point', value: 4.5 },
      { kind: 'alert', id: 'ab'.repeat(16), revision: 1, body: encodeCbor({ time: day }) },
    ];
    // Days are sealed for 20 of 30 days, all others for all of them.
    for (const resolution of streams) {
      const until = day + (resolution === 86_400 ? 20 : 30) * 86_400_000;
      for (let time = day; time < until; time += Math.max(resolution * 1000, 3_600_000))
        changes.push({ kind: 'block', stream: streamOf('operations', resolution), body: block(time, 24_000) });
    }
    for (let i = 0; i < changes.length; i += 5) {
      await vault.commit(changes.slice(i, i + 5));
      await sleep(5);
    }
    await eventually('it is below the quota', async () => {
      const { quota } = await vault.stats();
      return quota!.used < 0.95 * QUOTA;
    });
    await vault.fold();
    assert.ok(bytesBelow(folder.directory) <= QUOTA);
    const gaps = await gapsOf(vault);
    assert.ok(gaps.length > 0);
    const backlogs = await vault.outbox.streams();
    for (const { stream, count, sealed } of backlogs) {
      const named = gaps.filter((gap) => gap.stream === stream);
      assert.equal(count + countOf(named, ['quota'], 'blocks'), sealed, stream);
      for (const { blocks, coarsest } of named) {
        assert.equal(blocks?.[0][0], 1, 'oldest first');
        assert.ok(coarsest !== undefined && coarsest > Number(stream.split('/')[1]));
      }
    }
    const left = Object.fromEntries(backlogs.map(({ stream, count }) => [stream, count]));
    assert.equal(left['operations/86400'], 20);
    assert.ok(left['operations/60'] < left['operations/3600'], JSON.stringify(left));
    assert.equal((await vault.outbox.alerts(10, new Set())).length, 1);
    assert.equal(await vault.documents.get('state', 'set-point'), 4.5);
  });

  it('lets readings go by age, and only once every consumer has seen them', async function () {
    this.timeout(60_000);
    await load(0, 2 * BATCH);
    await vault.commit([{ kind: 'consumer', consumer: 'detect/slow', replayFrom: BATCH + 1 }]);
    await vault.fold();
    await load(2 * BATCH, 4 * BATCH);
    await vault.fold();
    await vault.close();
    await open({ quotaBytes: QUOTA, ballastBytes: MIB, retentionDays: 1 });
    for (let i = 0; i < 50; i++) await turn();
    assert.equal((await vault.stats()).segments, 2);
    await vault.commit([{ kind: 'consumer', consumer: 'detect/slow', replayFrom: 2 * BATCH + 1 }]);
    await eventually('the first segment is gone', async () => (await vault.stats()).segments === 1);
    const [gap] = await gapsOf(vault);
    assert.deepEqual([gap.cause, gap.count, gap.positions], ['retention', 2 * BATCH, [1, 2 * BATCH]]);
    assert.equal((await numbersIn(vault)).size, 2 * BATCH);
  });

  it('leaves a consumer behind for which more of the journal would have to be kept than may be, and says so', async function () {
    this.timeout(120_000);
    await vault.commit([{ kind: 'consumer', consumer: 'detect/slow', replayFrom: 1 }]);
    // Folded as it comes in: on a busy processor the journal would otherwise take what the quota has for segments.
    for (let next = 0; next < 40_000; next += 5_000) {
      await load(next, next + 5_000);
      await vault.fold();
    }
    const [gap, ...others] = await gapsOf(vault);
    assert.deepEqual(others, []);
    assert.equal(gap.cause, 'overrun');
    const [from, to] = gap.positions!;
    assert.deepEqual([from, to - from + 1], [1, gap.count]);
    const { readings } = await vault.journal.read(1, 1);
    assert.ok(readings[0].position! <= to + 1, 'what is not declared can be read again');
    // What is declared may go as well, where the processor is busy and little is folded in time.
    const found = await numbersIn(vault);
    for (let number = to; number < 40_000; number++) assert.ok(found.has(number), String(number));
  });

  it('comes back after a crash in the middle of giving up as it was', async function () {
    this.timeout(120_000);
    await load(0, 60_000);
    await vault.fold();
    const next = 60_000;
    await load(next, next + 60_000);
    const left = path.join(folder.root, 'left');
    cpSync(folder.directory, left, { recursive: true });
    await vault.close();
    for (const name of readdirSync(folder.directory))
      if (name !== 'vault.place') rmSync(folder.file(name), { recursive: true });
    for (const name of readdirSync(left))
      if (name !== 'vault.place') cpSync(path.join(left, name), folder.file(name), { recursive: true });
    await open({ quotaBytes: QUOTA, ballastBytes: MIB });
    const found = await numbersIn(vault);
    const { problems } = await vault.stats();
    assert.deepEqual(problems, []);
    assert.equal(found.size + countOf(await gapsOf(vault), ['quota']), next + 60_000);
  });
});
