import type { Change } from '@tidegate/nodes/vault';

/** What a vault has to hold of one writer besides its readings. Plain JSON; bytes as hexadecimal digits. */
export interface WriterState {
  /** Number of the next step. */
  next: number;
  /** Position of the newest reading that was acknowledged. */
  position: number;
  cause: number;
  sealed: number;
  /** Waiting, by number. */
  blocks: [number: number, body: string][];
  /** Waiting, oldest first. */
  alerts: [id: string, revision: number, body: string][];
  /** By series; null while the consumer is not known. */
  consumer: { replayFrom: number; series: [series: number, position: number, state: string][] } | null;
  documents: Record<string, unknown>;
}

export function newState(): WriterState {
  return { next: 1, position: 0, cause: 0, sealed: 0, blocks: [], alerts: [], consumer: null, documents: {} };
}

/** What of it lies in the vault. */
export type WriterContent = Omit<WriterState, 'next' | 'position'>;

export function contentOf({ cause, sealed, blocks, alerts, consumer, documents }: WriterState): WriterContent {
  return { cause, sealed, blocks, alerts, consumer, documents };
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What the interface says that each change does, told a second time. */
export function applyChanges(state: WriterState, changes: readonly Change[]): number[] {
  return changes.map((change) => applyChange(state, change));
}

/** The number given to a block, else 0. */
function applyChange(state: WriterState, change: Change): number {
  switch (change.kind) {
    case 'checkpoint': {
      state.consumer ??= { replayFrom: 1, series: [] };
      const others = state.consumer.series.filter(([series]) => series !== change.series);
      others.push([change.series, change.position, hex(change.state)]);
      state.consumer.series = others.sort(([a], [b]) => a - b);
      break;
    }
    case 'consumer':
      state.consumer = { replayFrom: change.replayFrom, series: state.consumer?.series ?? [] };
      break;
    case 'forget-consumer':
      state.consumer = null;
      break;
    case 'block':
      state.blocks.push([++state.sealed, hex(change.body)]);
      return state.sealed;
    case 'rewrite-block':
      state.blocks = state.blocks.map(([number, body]) => [number, number === change.number ? hex(change.body) : body]);
      break;
    case 'blocks-acknowledged':
      state.blocks = state.blocks.filter(([number]) => !change.ranges.some(([a, b]) => a <= number && number <= b));
      break;
    case 'alert':
      if (!state.alerts.some(([id, revision]) => id === change.id && revision === change.revision))
        state.alerts.push([change.id, change.revision, hex(change.body)]);
      break;
    case 'alerts-acknowledged':
      state.alerts = state.alerts.filter(
        ([id, revision]) => !change.alerts.some((alert) => alert.id === id && alert.revision === revision),
      );
      break;
    case 'document':
      if (change.value === undefined) delete state.documents[change.key];
      else state.documents[change.key] = change.value;
      break;
    case 'expect-document':
      break;
  }
  return 0;
}
