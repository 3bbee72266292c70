import { decodeCbor, encodeCbor } from '../cbor.ts';
import { GAP_COUNTER, GAPS, GapBook, type Gap, type Loss } from '../gaps.ts';
import type { Effect } from './effects.ts';

/** What the ledger needs of the vault. */
export interface GapStore {
  readonly incarnation: Uint8Array;
  readonly catalogue: {
    readonly documents: {
      get(namespace: string, key: string): Uint8Array | undefined;
      list(namespace: string): { key: string; value: Uint8Array }[];
      count(namespace: string): number;
    };
  };
  /** One commit of the vault's own: synced when it returns. */
  commit(effects: readonly Effect[]): void;
}

/** Declares what is given up or lost, in the very commit that lets it go. */
export class GapLedger {
  private readonly store: GapStore;
  /** Read when the first loss comes; its writer stays what it is while the vault is open. */
  private opened: GapBook | undefined;

  constructor(store: GapStore) {
    this.store = store;
  }

  get count(): number {
    return this.opened?.count ?? this.store.catalogue.documents.count(GAPS);
  }

  list(): readonly Gap[] {
    return this.book.list();
  }

  /** What lets go and what declares it, as one commit. Throws what the journal throws, and nothing is changed then. */
  commit(effects: readonly Effect[], losses: readonly Loss[]): void {
    const declaration = this.book.declare(losses);
    try {
      this.store.commit([...effects, ...declaration.changes.flatMap(effectOf)]);
    } catch (error) {
      declaration.failed();
      throw error;
    }
  }

  /** Positions of readings that no consumer has seen although they were committed. */
  overruns(): readonly (readonly [from: number, to: number])[] {
    return this.list().flatMap(({ cause, positions }) =>
      cause === 'overrun' && positions !== undefined ? [positions] : [],
    );
  }

  private get book(): GapBook {
    const { incarnation, catalogue } = this.store;
    const counter = catalogue.documents.get(GAP_COUNTER.namespace, GAP_COUNTER.key);
    const next = counter === undefined ? undefined : decodeCbor(counter);
    // A commit from outside the engine may have declared a gap since.
    if (this.opened !== undefined && this.opened.following === (next ?? 1)) return this.opened;
    const stored = catalogue.documents.list(GAPS).map(({ value }) => decodeCbor(value));
    const writer = Buffer.from(incarnation).toString('hex');
    this.opened = new GapBook(writer, stored, next);
    return this.opened;
  }
}

function effectOf(change: ReturnType<GapBook['declare']>['changes'][number]): Effect[] {
  if (change.kind !== 'document') return [];
  const { namespace, key, value } = change;
  return [{ kind: 'document', namespace, key, value: value === undefined ? undefined : encodeCbor(value) }];
}
