import type { CommitItem, EncodedChange, ItemResult, WriteItem } from '../engine.ts';
import type { SqliteAlerts } from './sqlite-alerts.ts';
import type { SqliteCheckpoints } from './sqlite-checkpoints.ts';
import type { SqliteDocuments } from './sqlite-documents.ts';
import type { SqliteDoor } from './sqlite-door.ts';
import type { SqliteJournal } from '../sqlite-journal.ts';
import type { SqliteOutbox } from './sqlite-outbox.ts';
import type { Sqlite } from './sqlite-schema.ts';

/** The stores that items are applied to, all in one database. */
export interface Stores {
  readonly db: Sqlite;
  readonly journal: SqliteJournal;
  readonly door: SqliteDoor;
  readonly checkpoints: SqliteCheckpoints;
  readonly outbox: SqliteOutbox;
  readonly alerts: SqliteAlerts;
  readonly documents: SqliteDocuments;
}

class Conflict extends Error {}

/** Applies an item within the transaction that is open. Nothing of one whose condition does not hold stays. */
export function applyItem(stores: Stores, item: WriteItem): ItemResult {
  if (item.kind === 'append') {
    const first = stores.journal.append(item);
    if (item.receipts !== undefined && item.receipts.length > 0) stores.door.addReceipts(item.receipts);
    if (item.cause !== undefined) stores.door.raiseCause(item.source, item.cause);
    if (item.rejections !== undefined) stores.door.addRejections(item.rejections);
    return { kind: 'appended', first };
  }
  return item.changes.some(({ kind }) => kind === 'expect-document')
    ? applyConditionally(stores, item)
    : { kind: 'committed', numbers: item.changes.map((change) => applyChange(stores, change)) };
}

/** The others of the group stay when a condition does not hold. */
function applyConditionally(stores: Stores, { changes }: CommitItem): ItemResult {
  stores.db.exec('SAVEPOINT item');
  try {
    const numbers = changes.map((change) => applyChange(stores, change));
    stores.db.exec('RELEASE item');
    return { kind: 'committed', numbers };
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
    stores.db.exec('ROLLBACK TO item; RELEASE item');
    return { kind: 'conflict', reason: error.message };
  }
}

/** Returns the number given to a block, else 0. */
function applyChange(stores: Stores, change: EncodedChange): number {
  const { checkpoints, outbox, alerts, documents } = stores;
  switch (change.kind) {
    case 'checkpoint':
      checkpoints.put(change);
      break;
    case 'consumer':
      checkpoints.register(change.consumer, change.replayFrom);
      break;
    case 'forget-consumer':
      checkpoints.forget(change.consumer);
      break;
    case 'block':
      return outbox.add(change.stream, change.body);
    case 'rewrite-block':
      outbox.rewrite(change.stream, change.number, change.body);
      break;
    case 'blocks-acknowledged':
      outbox.acknowledge(change.stream, change.ranges);
      break;
    case 'alert':
      alerts.add(change.id, change.revision, change.body);
      break;
    case 'alerts-acknowledged':
      alerts.acknowledge(change.alerts);
      break;
    case 'advance':
      stores.journal.advance(change.to);
      break;
    case 'document':
      documents.put(change.namespace, change.key, change.value);
      break;
    case 'expect-document': {
      const found = documents.get(change.namespace, change.key);
      if (!sameBytes(found, change.value))
        throw new Conflict(`document ${change.namespace}/${change.key} is no longer what was expected`);
      break;
    }
  }
  return 0;
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}
