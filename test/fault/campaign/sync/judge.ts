import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { sharedStateOf, compareStamps } from '@tidegate/nodes/state';
import { decodeSummary, encodeSummary, foldSummaries } from '@tidegate/nodes/summary';
import { CATALOGUE_STREAM, decodeCatalogue } from '@tidegate/nodes/sync';
import type { Store } from '../../../../cloud-bridge/src/store/store.ts';
import type { Cloud } from './cloud.ts';
import type { CloudHistory } from './cloud-history.ts';
import { TENANT, type Gateway } from './gateway.ts';
import { alertKey, blockKey, type Ledger, type MadeBlock } from './ledger.ts';
import { CloudRows } from './cloud-rows.ts';

export interface Verdict {
  /** Blocks and alerts of each fate. */
  fates: Record<string, number>;
  /** Windows whose folds were compared. */
  windows: number;
  /** The folds as bytes: for each gateway those of the windows of most parts, and a digest over all, as ledger and cloud have them. */
  evidence: string[];
  /** Blocks in the cloud whose series have no name there: an older copy of the cloud lost it under an earlier incarnation. */
  nameless: number;
}

interface Judged {
  ledger: Ledger;
  history: CloudHistory;
  cloud: Cloud;
  gateways: readonly Gateway[];
  documents: ReadonlyMap<string, unknown>;
  databaseFile: string;
}

/** Holds what both ends have after the faults against the ledger. */
export async function judge(judged: Judged): Promise<Verdict> {
  const { ledger, history, cloud, gateways, documents, databaseFile } = judged;
  const rows = new CloudRows(databaseFile);
  try {
    const here = rowsAreTheLedgers(rows, ledger);
    assert.deepEqual([rows.count('forks'), rows.count('poison')], [0, 0], 'forks and poison in the cloud');
    let windows = 0;
    let nameless = 0;
    const evidence: string[] = [];
    for (const gateway of gateways) {
      const store = cloud.answers;
      const found = await store.gateway(TENANT, gateway.name);
      assert.ok(found !== undefined, `the cloud does not know ${gateway.name}`);
      const blocks = ledger.blocksOf(gateway.name);
      const folds = foldsAreEqual(rows, gateway, blocks, here);
      windows += folds.windows;
      nameless += folds.nameless;
      evidence.push(...folds.evidence);
      await documentsAreInForce(store, found.id, gateway, documents, history);
      await lossesAreNamed(store, found.id, gateway, blocks, here, history);
    }
    const fates: Record<string, number> = {};
    for (const { fate } of [...ledger.blocks.values(), ...ledger.alerts.values()]) fates[fate] = (fates[fate] ?? 0) + 1;
    return { fates, windows, nameless, evidence };
  } finally {
    rows.close();
  }
}

/** All that is delivered is there, and nothing is there that nobody made. Keys of the blocks that are there. */
function rowsAreTheLedgers(rows: CloudRows, { blocks, alerts }: Ledger): ReadonlySet<string> {
  const here = new Map(
    rows.receipts().map((row) => [blockKey(row.gateway, row.incarnation, row.stream, row.number), row.digest]),
  );
  const raised = new Map(rows.alerts().map((row) => [alertKey(row.gateway, row.id, row.revision), row.digest]));
  for (const [there, made, what] of [
    [here, blocks, 'block'],
    [raised, alerts, 'alert'],
  ] as const) {
    for (const [key, digest] of there) assert.equal(digest, made.get(key)?.digest, `${what} ${key} in the cloud`);
    for (const [key, { digest, fate }] of made) {
      assert.notEqual(fate, 'waiting', `${what} ${key} is on no way to the cloud`);
      if (fate === 'delivered') assert.equal(there.get(key), digest, `${what} ${key} was acknowledged`);
    }
  }
  return new Set(here.keys());
}

const keyOf = ({ gateway, incarnation, stream, number }: MadeBlock): string =>
  blockKey(gateway, incarnation, stream, number);

/**
 * Every window of every series holds each part once, and its fold is that of the ledger's parts, byte for byte. The
 * number of windows, and of blocks left out because nobody knows the names of their series any more.
 */
function foldsAreEqual(
  rows: CloudRows,
  gateway: Gateway,
  blocks: readonly MadeBlock[],
  here: ReadonlySet<string>,
): { windows: number; nameless: number; evidence: string[] } {
  const certain = new Map<string, string[]>();
  const possible = new Map<string, string[]>();
  const named = namesHere(blocks, here);
  let nameless = 0;
  for (const block of blocks) {
    const { incarnation, stream, parts } = block;
    const isOld = incarnation !== gateway.vault!.incarnation;
    const into = here.has(keyOf(block)) ? certain : possible;
    let misses = false;
    for (const { series, windowStart, summary } of parts) {
      // A name is told again under the present incarnation only: docs/protocol.md.
      if (isOld && !named.has(`${incarnation} ${series}`)) misses = true;
      else add(into, `${series} ${stream} ${windowStart}`, hexOf(encodeSummary(summary)));
    }
    if (misses) nameless++;
  }
  const held = rows.parts(gateway.name);
  const folds: Folds[] = [];
  for (const key of certain.keys()) assert.ok(held.has(key), `${gateway.name}: window ${key} is not in the cloud`);
  for (const [key, parts] of held) {
    const expected = [...(certain.get(key) ?? []), ...present(parts, certain.get(key), possible.get(key))];
    assert.deepEqual(parts.toSorted(), expected.toSorted(), `${gateway.name}: parts of window ${key}`);
    const fold = { key, parts: parts.length, ledger: foldOf(expected), cloud: foldOf(parts) };
    assert.equal(fold.cloud, fold.ledger, `${gateway.name}: fold of window ${key}`);
    folds.push(fold);
  }
  return { windows: held.size, nameless, evidence: evidenceOf(gateway.name, folds) };
}

/** Of one window: its series, stream and begin, how many parts it has, and the bytes of their fold. */
interface Folds {
  key: string;
  parts: number;
  ledger: string;
  cloud: string;
}

/** Windows that are shown of each gateway. */
const SHOWN = 3;

function evidenceOf(gateway: string, folds: readonly Folds[]): string[] {
  const most = folds.toSorted((a, b) => b.parts - a.parts).slice(0, SHOWN);
  const sorted = folds.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const digest = (end: 'ledger' | 'cloud'): string =>
    hash('sha256', sorted.map((fold) => `${fold.key} ${fold[end]}`).join('\n'));
  return [
    ...most.flatMap(({ key, parts, ledger, cloud }) => [
      `${gateway}, window ${key}, ${parts} parts`,
      `  ledger ${ledger}`,
      `  cloud  ${cloud}`,
    ]),
    `${gateway}, all ${folds.length} windows, SHA-256`,
    `  ledger ${digest('ledger')}`,
    `  cloud  ${digest('cloud')}`,
  ];
}

/** Series that blocks of names in the cloud name, by `incarnation series`. */
function namesHere(blocks: readonly MadeBlock[], here: ReadonlySet<string>): ReadonlySet<string> {
  const names = new Set<string>();
  for (const block of blocks)
    if (block.stream === CATALOGUE_STREAM && here.has(keyOf(block)))
      for (const { name } of decodeCatalogue(block.body)) names.add(`${block.incarnation} ${name}`);
  return names;
}

function add(to: Map<string, string[]>, key: string, value: string): void {
  const known = to.get(key);
  if (known === undefined) to.set(key, [value]);
  else known.push(value);
}

/**
 * Of blocks that went under with a gateway's disk while they were on their way, what had been committed: a long block
 * is taken in over several transactions, its receipt with the last.
 */
function present(
  parts: readonly string[],
  certain: readonly string[] = [],
  possible: readonly string[] = [],
): string[] {
  const rest = [...parts];
  for (const part of certain) if (rest.includes(part)) rest.splice(rest.indexOf(part), 1);
  return possible.filter((part) => {
    const at = rest.indexOf(part);
    if (at >= 0) rest.splice(at, 1);
    return at >= 0;
  });
}

const foldOf = (parts: readonly string[]): string =>
  hexOf(encodeSummary(foldSummaries(parts.map((part) => decodeSummary(Buffer.from(part, 'hex'))))));

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/**
 * What the cloud set last is in force at the gateway, and the cloud knows it. Of a document that the cloud lost with its
 * database the gateway keeps the newer version.
 */
async function documentsAreInForce(
  store: Store,
  gatewayId: number,
  gateway: Gateway,
  put: ReadonlyMap<string, unknown>,
  history: CloudHistory,
): Promise<void> {
  const state = await sharedStateOf(gateway.watched!);
  for (const { key, value, stamp, applied } of await store.documents(gatewayId)) {
    const there = state.get(key);
    if (history.restores === 0) assert.equal(value, put.get(`${gateway.name} ${key}`), `document ${key} in the cloud`);
    assert.ok(there !== undefined, `document ${key} is not at ${gateway.name}`);
    const order = compareStamps(there.stamp, stamp);
    if (history.restores === 0 || order <= 0)
      assert.deepEqual([there.value, order, applied], [value, 0, true], `document ${key} at ${gateway.name}`);
  }
}

/** What was given up is declared at the cloud, and what it lost with its own database has a name. */
async function lossesAreNamed(
  store: Store,
  gatewayId: number,
  gateway: Gateway,
  blocks: readonly MadeBlock[],
  here: ReadonlySet<string>,
  history: CloudHistory,
): Promise<void> {
  const gaps = await store.gaps(gatewayId, 1_000);
  const declared = (stream: string, number: number): boolean =>
    gaps.some((gap) => gap.stream === stream && gap.blocks.some(([from, to]) => from <= number && number <= to));
  const { incarnation } = gateway.vault!;
  const facts = (await store.gateways()).find(({ id }) => id === gatewayId)!;
  const gone = blocks.filter((block) => !here.has(keyOf(block)) && block.incarnation === incarnation);
  if (history.restores > 0) return;
  for (const { fate, stream, number } of gone)
    assert.ok(
      fate === 'given-up' && declared(stream, number),
      `block ${number} of ${stream} is ${fate}, and not declared`,
    );
  assert.equal(facts.blocksMissing, 0, 'blocks that the cloud misses');
}
