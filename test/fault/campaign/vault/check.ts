import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Vault } from '@tidegate/nodes/vault';
import { checkReadings, expectedOf, notReplayed, takeGaps } from './check-readings.ts';
import { MINUTES } from './summaries.ts';
import { rejectionKey, stateAfter, type Ledger, type WriterBook } from './ledger.ts';
import { contentOf, hex, type WriterContent } from './writer-state.ts';

const MADE_AGAIN =
  /^catalogue\.db is damaged \(the disk failed while it was written: [^)]*\); it lies in .* and was made again$/;

/**
 * Holds a vault against the ledger: every acknowledged reading exactly once, in order, at the position that was given
 * for it; every acknowledged commit whole; a step of which nobody knew is there whole or not at all, and the ledger
 * learns which; nothing else is there; nothing is reported damaged. `gaps`: on a full disk readings may have been given
 * up, those that are declared and no other. `failedSync`: the catalogue may say that it was made again for it. Returns how
 * many were given up. Throws an AssertionError.
 */
export async function check(vault: Vault, ledger: Ledger, { gaps = false, failedSync = false } = {}): Promise<number> {
  const given = gaps ? await takeGaps(vault, ledger) : 0;
  const stats = await vault.stats();
  // A vault that was cut off while it was made has promised nothing to anybody, and may say so.
  const told = ledger.count('opened') === 0 ? [] : stats.problems;
  const problems = failedSync ? told.filter((problem) => !MADE_AGAIN.test(problem)) : told;
  assert.deepEqual({ damaged: stats.damaged, problems }, { damaged: 0, problems: [] });
  const appendedAt = await checkReadings(vault, ledger);
  const receipts = await receiptsByWriter(vault, ledger.writers.length);
  const rejections = new Set((await vault.journal.rejections(1_000)).map(rejectionKey));
  for (const [writer, book] of ledger.writers.entries()) {
    const appended = appendedAt[writer];
    const found = await stateOf(vault, writer);
    await checkBacklog(vault, writer);
    const committed = checkState(writer, book, found, appended);
    ledger.settle(writer, committed || appended !== undefined, appended ?? 0);
    checkDoor(writer, book, receipts[writer], rejections);
    const watermark = book.state.consumer?.replayFrom;
    if (watermark !== undefined)
      assert.equal(
        await notReplayed(vault, book, `w${writer}`, watermark),
        0,
        `w${writer} reads again from ${watermark}`,
      );
  }
  await checkCounts(vault, ledger, await checkSummaries(vault, ledger));
  return given;
}

/** What the vault holds of a writer, in the ledger's words. */
export async function stateOf(vault: Vault, writer: number): Promise<WriterContent> {
  const own = `w${writer}`;
  const prefix = writer.toString(16).padStart(2, '0');
  const backlog = (await vault.outbox.streams()).find(({ stream }) => stream === own);
  const blocks = await vault.outbox.peek(own, 'oldest', [], 1e9);
  const alerts = await vault.outbox.alerts(1_024, new Set());
  const consumer = await vault.checkpoints.load(own);
  const documents = await vault.documents.list(own);
  return {
    cause: await vault.journal.cause(own),
    sealed: backlog?.sealed ?? 0,
    blocks: blocks.map(({ number, body }) => [number, hex(body)]),
    alerts: alerts.filter(({ id }) => id.startsWith(prefix)).map(({ id, revision, body }) => [id, revision, hex(body)]),
    consumer:
      consumer === undefined
        ? null
        : {
            replayFrom: consumer.replayFrom,
            series: consumer.series
              .map(({ series, position, state }): [number, number, string] => [series, position, hex(state)])
              .sort(([a], [b]) => a - b),
          },
    documents: Object.fromEntries(documents.map(({ key, value }) => [key, value])),
  };
}

/** What is told of a stream's backlog is what lies there. */
async function checkBacklog(vault: Vault, writer: number): Promise<void> {
  const own = `w${writer}`;
  const blocks = await vault.outbox.peek(own, 'oldest', [], 1e9);
  const backlog = (await vault.outbox.streams()).find(({ stream }) => stream === own);
  const numbers = blocks.map(({ number }) => number);
  const bytes = blocks.reduce((sum, { body }) => sum + body.length, 0);
  assert.deepEqual(
    {
      count: backlog?.count ?? 0,
      bytes: backlog?.bytes ?? 0,
      lowest: backlog?.lowest ?? 0,
      highest: backlog?.highest ?? 0,
    },
    { count: numbers.length, bytes, lowest: numbers[0] ?? 0, highest: numbers.at(-1) ?? 0 },
    `backlog of ${own} against its blocks`,
  );
}

/** True when the unknown commit is there. */
function checkState(
  writer: number,
  { state, unknown }: WriterBook,
  found: WriterContent,
  appended: number | undefined,
): boolean {
  const before = contentOf(appended === undefined || !unknown ? state : stateAfter(state, unknown));
  if (unknown?.kind === 'commit' && !unknown.refused) {
    if (isDeepStrictEqual(found, contentOf(stateAfter(state, unknown)))) return true;
  }
  assert.deepEqual(found, before, `writer ${writer}, before step ${state.next}`);
  return false;
}

function checkDoor(
  writer: number,
  { batches }: WriterBook,
  receipts: readonly bigint[],
  rejections: Set<string>,
): void {
  const expected = batches.flatMap((batch) => batch.receipts);
  assert.deepEqual(receipts, expected, `receipts of writer ${writer}`);
  for (const { number, rejections: all } of batches)
    for (const rejection of all)
      assert.ok(rejections.has(rejectionKey(rejection)), `writer ${writer}: rejection ${number}`);
}

async function receiptsByWriter(vault: Vault, writers: number): Promise<bigint[][]> {
  const split: bigint[][] = Array.from({ length: writers }, () => []);
  for (const receipt of await vault.journal.receipts()) {
    const writer = Number(receipt >> 48n) - 1;
    assert.ok(writer >= 0 && writer < writers, `receipt ${receipt} that nobody gave`);
    split[writer].push(receipt);
  }
  return split;
}

/** Of the blocks of summaries those wait that no gap names, and no other; how many, and their bytes. */
async function checkSummaries(vault: Vault, { summaries }: Ledger): Promise<{ blocks: number; bytes: number }> {
  const found = await vault.outbox.peek(MINUTES, 'oldest', [], 1e9);
  const left = [...(summaries?.minutes ?? [])].filter(([number]) => !summaries?.given.has(number));
  assert.deepEqual(
    found.map(({ number, body }) => [number, hex(body)]),
    left,
    'blocks of summaries that wait',
  );
  return { blocks: left.length, bytes: left.reduce((sum, [, body]) => sum + body.length / 2, 0) };
}

async function checkCounts(
  vault: Vault,
  { writers, summaries }: Ledger,
  minutes: { blocks: number; bytes: number },
): Promise<void> {
  const { readings: counted, blocksWaiting, blockBytesWaiting, alertsWaiting, quarantined } = await vault.stats();
  const blocks = writers.flatMap(({ state }) => state.blocks);
  const batches = writers.flatMap((writer) => writer.batches);
  // What is left of a segment after a shred is not counted one by one, and what was overrun may be there or not.
  const unknown = batches.some(({ goneBefore, overrun = [] }) => goneBefore > -Infinity || overrun.length > 0);
  const left = [...expectedOf(batches).values()].reduce((sum, { length }) => sum + length, 0);
  assert.deepEqual(
    { readings: counted, blocksWaiting, blockBytesWaiting, alertsWaiting, quarantined },
    {
      readings: unknown ? counted : left,
      blocksWaiting: minutes.blocks + blocks.length,
      blockBytesWaiting: minutes.bytes + blocks.reduce((sum, [, body]) => sum + body.length / 2, 0),
      alertsWaiting: writers.reduce((sum, { state }) => sum + state.alerts.length, 0),
      quarantined: batches.reduce((sum, batch) => sum + batch.rejections.length, 0),
    },
    'counts of stats()',
  );
  const watermarks = writers.flatMap(({ state }) => (state.consumer === null ? [] : [state.consumer.replayFrom]));
  if (summaries !== undefined) watermarks.push(summaries.passed);
  const lowest = watermarks.length === 0 ? vault.journal.head : Math.min(...watermarks);
  assert.equal(await vault.checkpoints.replayFrom(), lowest, 'where doors start to read again');
}
