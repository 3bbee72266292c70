import assert from 'node:assert/strict';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import {
  decodeTally,
  droppedOf,
  encodeTally,
  nothing,
  openLocalVault,
  orphanName,
  waitingOf,
  type AccountColumn,
  type Change,
  type Ending,
  type Vault,
} from '@tidegate/nodes/vault';
import fc from 'fast-check';
import { VaultFolder, reading } from '../../support/vault.ts';

const STREAM = 'operations/60';
const body = (seed: number): Uint8Array => new TextEncoder().encode(`block ${seed}`);
const tallyOf = (...entries: [series: number, readings: number][]): Uint8Array => encodeTally(new Map(entries));

const end = (from: number, to: number, as?: Ending): Change => ({
  kind: 'blocks-acknowledged',
  stream: STREAM,
  ranges: [[from, to]],
  ...(as && { as }),
});

describe('a tally', () => {
  it('survives as bytes, whatever is in it', () => {
    const tallies = fc.dictionary(
      fc.integer({ min: 0, max: 100_000 }).map(String),
      fc.oneof(fc.constant(60), fc.integer({ min: 0, max: 2 ** 40 })),
      { maxKeys: 300 },
    );
    fc.assert(
      fc.property(tallies, (entries) => {
        const tally = new Map(Object.entries(entries).map(([series, readings]) => [Number(series), readings]));
        assert.deepEqual(decodeTally(encodeTally(tally)), tally);
      }),
      { numRuns: 200 },
    );
  });

  it('takes a few bytes for what is alike, and cannot be made to fill the memory', () => {
    const alike = new Map(Array.from({ length: 250 }, (_, i) => [i + 1, 60]));
    assert.ok(encodeTally(alike).length <= 4);
    const much = encodeTally(new Map([[1, 1]]));
    assert.throws(() => decodeTally(Uint8Array.from([0, 0xff, 0xff, 0xff, 0x7f, 1])), RangeError);
    assert.throws(() => decodeTally(much.subarray(0, 2)), RangeError);
  });
});

describe('the accounts of a vault', function () {
  this.timeout(60_000);
  let folder: VaultFolder;
  let vault: Vault;

  beforeEach(async () => {
    folder = new VaultFolder();
    vault = await openLocalVault(folder.options);
  });
  afterEach(async () => {
    await vault.close();
    folder.remove();
  });

  /** Opens what a process that is killed now leaves, in its own place. */
  async function crash(): Promise<void> {
    const left = path.join(folder.root, 'left');
    cpSync(folder.directory, left, { recursive: true });
    await vault.close();
    for (const name of readdirSync(folder.directory))
      if (name !== 'vault.place') rmSync(path.join(folder.directory, name), { recursive: true });
    for (const name of readdirSync(left))
      if (name !== 'vault.place') cpSync(path.join(left, name), path.join(folder.directory, name), { recursive: true });
    rmSync(left, { recursive: true });
    vault = await openLocalVault(folder.options);
  }

  const countsOf = async (series: number, stream = STREAM): Promise<Partial<Record<AccountColumn, number>>> => {
    const { streams } = await vault.accounts([], 0);
    const counts = streams.find((one) => one.stream === stream)?.series.get(series) ?? nothing();
    return Object.fromEntries(Object.entries(counts).filter(([, readings]) => readings !== 0));
  };
  const found = (): Promise<unknown[]> => Promise.all([1, 2, 3, 200].map((series) => countsOf(series)));
  const seal = (number: number, ...entries: [number, number][]): Promise<unknown> =>
    vault.commit([{ kind: 'block', stream: STREAM, body: body(number), tally: tallyOf(...entries) }]);

  it('say what became of every reading that was sealed, and are the same after a crash, a fold and a restart', async () => {
    await seal(1, [1, 60], [2, 59]);
    await seal(2, [1, 60], [200, 7]);
    await seal(3, [1, 5]);
    await seal(4, [1, 1], [2, 2]);
    await vault.commit([{ kind: 'withheld', stream: STREAM, tally: tallyOf([3, 61]) }]);
    await vault.commit([end(1, 1), end(3, 3, 'poison')]);
    await vault.commit([{ kind: 'rewrite-block', stream: STREAM, number: 4, body: body(44), tally: tallyOf([2, 2]) }]);
    const expected = [
      { sealed: 126, delivered: 60, poison: 5, revoked: 1 },
      { sealed: 61, delivered: 59 },
      { withheld: 61 },
      { sealed: 7 },
    ];
    assert.deepEqual(await found(), expected);
    await crash();
    assert.deepEqual(await found(), expected);
    await vault.fold();
    await crash();
    assert.deepEqual(await found(), expected);
    await vault.close();
    for (const name of readdirSync(folder.directory))
      if (name.startsWith('catalogue.db')) rmSync(path.join(folder.directory, name));
    vault = await openLocalVault(folder.options);
    assert.deepEqual(await found(), expected, 'made again from the snapshot and the journal');
    const { waiting } = await vault.accounts([], 0);
    assert.deepEqual(waiting, [
      {
        stream: STREAM,
        sealed: 4,
        blocks: [
          [2, 2],
          [4, 4],
        ],
      },
    ]);
  });

  it('count a block once, however often and however it is let go', async () => {
    await seal(1, [1, 10]);
    await vault.commit([end(1, 1, 'conflict'), end(1, 1), end(1, 9)]);
    await vault.commit([end(1, 1)]);
    assert.deepEqual(await countsOf(1), { sealed: 10, conflict: 10 });
  });

  it('change nothing when the commit that would change them is refused', async () => {
    await seal(1, [1, 10]);
    const stale: Change = { kind: 'expect-document', namespace: 'n', key: 'k', value: 1 };
    await assert.rejects(vault.commit([end(1, 1), stale]), { code: 'conflict' });
    assert.deepEqual(await countsOf(1), { sealed: 10 });
    await assert.rejects(vault.commit([{ kind: 'block', stream: STREAM, body: body(1), tally: Uint8Array.of(1) }]), {
      code: 'bad-change',
    });
  });

  it('say from which reading on they count, and what consumers have saved', async () => {
    await vault.journal.append({ source: 'door', readings: [reading('a', 1), reading('a', 2)] });
    await vault.commit([
      { kind: 'consumer', consumer: 'summary/60', replayFrom: 2 },
      { kind: 'checkpoint', consumer: 'summary/60', series: 1, position: 1, state: Uint8Array.of(1, 2, 3, 4) },
    ]);
    const { from, head, consumers } = await vault.accounts(['summary/60', 'summary/900'], 3);
    assert.deepEqual([from, head], [1, 3]);
    assert.deepEqual(consumers, [
      { consumer: 'summary/60', replayFrom: 2, series: [{ series: 1, position: 1, state: Uint8Array.of(1, 2, 3) }] },
    ]);
  });

  it('of an earlier incarnation are kept apart', async () => {
    const orphan = orphanName({ incarnation: 'ab'.repeat(16), name: STREAM });
    await vault.commit([
      { kind: 'orphan-block', stream: orphan, number: 7, body: body(7), tally: tallyOf([1, 60]) },
      { kind: 'orphan-block', stream: orphan, number: 9, body: body(9), tally: tallyOf([1, 4]) },
    ]);
    await seal(1, [1, 5]);
    await vault.commit([{ kind: 'blocks-acknowledged', stream: orphan, ranges: [[9, 9]], as: 'conflict' }]);
    assert.deepEqual(await countsOf(1, orphan), { sealed: 64, conflict: 4 });
    assert.deepEqual(await countsOf(1), { sealed: 5 });
    assert.equal((await vault.accounts([], 0)).waiting.length, 1);
  });

  it('add up after any run of commits, crashes and folds', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.nat(99)), { maxLength: 9 }) },
      {
        weight: 3,
        arbitrary: fc.tuple(fc.constantFrom(undefined, 'poison' as const, 'conflict' as const), fc.nat(20)),
      },
      { weight: 1, arbitrary: fc.constantFrom('crash' as const, 'fold' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        await vault.close();
        folder.remove();
        folder = new VaultFolder();
        vault = await openLocalVault(folder.options);
        const model = new Map<number, Record<AccountColumn, number>>();
        const blocks = new Map<number, Map<number, number>>();
        const count = (tally: Map<number, number>, column: AccountColumn): void => {
          for (const [series, readings] of tally) {
            const counts = model.get(series) ?? nothing();
            counts[column] += readings;
            model.set(series, counts);
          }
        };
        let sealed = 0;
        for (const one of steps) {
          if (one === 'crash') await crash();
          else if (one === 'fold') await vault.fold();
          else if (typeof one[0] === 'object' || one.length === 0) {
            const tally = new Map(one as [number, number][]);
            await vault.commit([{ kind: 'block', stream: STREAM, body: body(sealed), tally: encodeTally(tally) }]);
            blocks.set(++sealed, tally);
            count(tally, 'sealed');
          } else {
            const [as, number] = one as [Ending | undefined, number];
            await vault.commit([end(number, number + 1, as)]);
            for (const ended of [number, number + 1]) {
              count(blocks.get(ended) ?? new Map(), as ?? 'delivered');
              blocks.delete(ended);
            }
          }
        }
        const series = (await vault.accounts([], 0)).streams[0]?.series ?? new Map();
        const expected = [...model].filter(([, counts]) => counts.sealed > 0).toSorted(([a], [b]) => a - b);
        assert.deepEqual([...series], expected);
        for (const [number, counts] of series) {
          const waits = [...blocks.values()].reduce((sum, tally) => sum + (tally.get(number) ?? 0), 0);
          assert.equal(waitingOf(counts), waits);
          assert.equal(counts.sealed, counts.delivered + waits + droppedOf(counts));
        }
      }),
      { numRuns: 12 },
    );
  });
});
