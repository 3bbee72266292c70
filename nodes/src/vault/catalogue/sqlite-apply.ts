import type { AppendItem, CommitItem, EncodedChange, ItemResult, WriteItem } from '../engine.ts';
import type { Effect } from '../engine/effects.ts';
import { decodeTally } from '../accounts.ts';
import { encodeCbor } from '../cbor.ts';
import { ORPHAN_WINDOWS } from '../orphans.ts';
import type { SeriesEntry } from '../vault.ts';
import type { SqliteAccounts } from './sqlite-accounts.ts';
import type { SqliteAlerts } from './sqlite-alerts.ts';
import type { SqliteCheckpoints } from './sqlite-checkpoints.ts';
import type { SqliteDestroyed } from './sqlite-destroyed.ts';
import type { SqliteDocuments } from './sqlite-documents.ts';
import type { SqliteDoor } from './sqlite-door.ts';
import type { SqliteOutbox } from './sqlite-outbox.ts';
import { metaOf, putMeta, type Sqlite } from './sqlite-schema.ts';
import type { SqliteSegments } from './sqlite-segments.ts';
import type { SqliteSeries } from './sqlite-series.ts';
import { shredRows } from './sqlite-shred.ts';

/** The stores that effects are applied to, all in one database. */
export interface Stores {
  readonly db: Sqlite;
  readonly series: SqliteSeries;
  readonly door: SqliteDoor;
  readonly checkpoints: SqliteCheckpoints;
  readonly accounts: SqliteAccounts;
  readonly outbox: SqliteOutbox;
  readonly alerts: SqliteAlerts;
  readonly documents: SqliteDocuments;
  readonly segments: SqliteSegments;
  readonly destroyed: SqliteDestroyed;
  /** The next commit's readings get no position below `to`. */
  advance(to: number): void;
}

class Conflict extends Error {}

/**
 * Applies the items of a commit within the transaction that is open, and notes in `effects` what that came to: the
 * journal gets those, so that they can be applied again. `first` is the position of the commit's first reading.
 */
export function applyItems(
  stores: Stores,
  items: readonly WriteItem[],
  first: number,
  effects: Effect[],
): ItemResult[] {
  let position = first;
  return items.map((item) => {
    if (item.kind === 'commit') return applyCommit(stores, item, effects);
    const result: ItemResult = { kind: 'appended', first: position };
    for (const { count } of item.chunks) position += count;
    applyAll(stores, effectsOf(item), effects);
    return result;
  });
}

export function seriesEffect({ number, name, unit, kind }: SeriesEntry): Effect {
  return { kind: 'series', number, name, type: kind, ...(unit === undefined ? {} : { unit }) };
}

function effectsOf({ source, cause, rejections }: AppendItem): Effect[] {
  const effects: Effect[] = [];
  if (cause !== undefined) effects.push({ kind: 'cause', source, cause });
  if (rejections !== undefined) effects.push({ kind: 'rejections', rejections });
  return effects;
}

/** The others of the group stay when a condition does not hold. */
function applyCommit(stores: Stores, { changes }: CommitItem, effects: Effect[]): ItemResult {
  if (!changes.some(({ kind }) => kind === 'expect-document'))
    return { kind: 'committed', numbers: applyChanges(stores, changes, effects) };
  const done: Effect[] = [];
  stores.db.exec('SAVEPOINT item');
  try {
    const numbers = applyChanges(stores, changes, done);
    stores.db.exec('RELEASE item');
    effects.push(...done);
    return { kind: 'committed', numbers };
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
    stores.db.exec('ROLLBACK TO item; RELEASE item');
    return { kind: 'conflict', reason: error.message };
  }
}

/** The number given to each block, 0 for other changes. */
function applyChanges(stores: Stores, changes: readonly EncodedChange[], effects: Effect[]): number[] {
  return changes.map((change) => {
    if (change.kind === 'expect-document') {
      const found = stores.documents.get(change.namespace, change.key);
      if (sameBytes(found, change.value)) return 0;
      throw new Conflict(`document ${change.namespace}/${change.key} is no longer what was expected`);
    }
    const effect = decided(stores, change);
    applyEffect(stores, effect);
    effects.push(effect);
    return effect.kind === 'block' ? effect.number : 0;
  });
}

function decided(stores: Stores, change: Exclude<EncodedChange, { kind: 'expect-document' }>): Effect {
  if (change.kind === 'block') return { ...change, number: stores.outbox.next(change.stream) };
  if (change.kind === 'blocks-acknowledged') {
    const hollow = stores.outbox.hollow(change.stream, change.ranges);
    const ranges = change.ranges.map(([from, to]): [number, number] => [from, to]);
    return { ...change, ranges, ...(hollow.length > 0 && { hollow }) };
  }
  if (change.kind === 'alerts-acknowledged') return { ...change, alerts: [...change.alerts] };
  return change;
}

function applyAll(stores: Stores, some: readonly Effect[], effects: Effect[]): void {
  for (const effect of some) {
    applyEffect(stores, effect);
    effects.push(effect);
  }
}

/** Applies what was decided; once live, and again from the journal after a crash. */
export function applyEffect(stores: Stores, effect: Effect): void {
  const { series, door, checkpoints, outbox, alerts, documents, segments, destroyed } = stores;
  switch (effect.kind) {
    case 'series': {
      const { number, name, unit, type } = effect;
      return series.put({ number, name, kind: type, ...(unit === undefined ? {} : { unit }) });
    }
    case 'cause':
      return door.raiseCause(effect.source, effect.cause);
    case 'rejections':
      return door.addRejections(effect.rejections);
    case 'checkpoint':
      return checkpoints.put(effect);
    case 'consumer':
      return void checkpoints.register(effect.consumer, effect.replayFrom);
    case 'forget-consumer':
      return checkpoints.forget(effect.consumer);
    case 'block':
      return outbox.add(effect.stream, effect.number, effect.body, effect.tally);
    case 'orphan-block':
      return outbox.adopt(effect.stream, effect.number, effect.body, effect.tally);
    case 'rewrite-block':
      return outbox.rewrite(effect.stream, effect.number, effect.body, effect.tally);
    case 'blocks-acknowledged':
      return outbox.acknowledge(effect.stream, effect.ranges, effect.as, effect.hollow);
    case 'withheld':
      return stores.accounts.add(effect.stream, 'withheld', decodeTally(effect.tally));
    case 'alert':
      return alerts.add(effect.id, effect.revision, effect.body);
    case 'alerts-acknowledged':
      return alerts.acknowledge(effect.alerts);
    case 'advance':
      // What lies below was taken over from elsewhere, or nothing lies there.
      stores.accounts.begin(effect.to);
      return stores.advance(effect.to);
    case 'document':
      return documents.put(effect.namespace, effect.key, effect.value);
    case 'incarnation':
      return beginIncarnation(stores, effect.incarnation, effect.head ?? 1);
    case 'shredded':
      if (effect.recordTo !== undefined) destroyed.add({ before: effect.before, recordTo: effect.recordTo });
      return shredRows(stores, effect.before);
    case 'segment-removed':
      return segments.giveUp(effect);
    case 'blocks-dropped':
      return outbox.acknowledge(effect.stream, effect.ranges, effect.as, effect.hollow);
    case 'lost':
      return segments.lose(effect.place, effect.readings);
    case 'left-behind':
      return checkpoints.leaveBehind(effect.below);
  }
}

/** The blocks of the writer that this store was stay apart: they may go out again as they are, but none is added. */
function beginIncarnation(stores: Stores, incarnation: Uint8Array, head: number): void {
  const before = metaOf(stores.db, 'incarnation')?.toString('hex');
  stores.accounts.begin(head);
  if (before !== undefined) {
    const { streams } = stores.outbox;
    stores.accounts.orphan(before, (stream) => (streams.find(stream)?.count ?? 0) > 0);
    stores.outbox.streams.orphan();
    for (const orphan of stores.checkpoints.orphan(before, head))
      stores.documents.put(ORPHAN_WINDOWS, orphan, encodeCbor({ head }));
  }
  putMeta(stores.db, 'incarnation', incarnation);
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}
