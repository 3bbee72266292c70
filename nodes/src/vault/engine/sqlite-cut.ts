import { SqliteInventory } from '../catalogue/sqlite-inventory.ts';
import { TideError } from '../../node/errors.ts';
import type { CutReport, InventoryKind, InventoryPage } from '../inventory.ts';
import type { Parts } from './sqlite-parts.ts';

/** The vault as one commit left it, held for whoever copies it; at most one at a time. */
export class HeldCut {
  private readonly parts: Parts;
  private rows: SqliteInventory | undefined;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  begin(): CutReport {
    const { parts } = this;
    const { catalogue, log } = parts;
    this.end();
    parts.readings.freeze();
    catalogue.flush(log.last);
    this.rows = inventoryOf(parts);
    const replayFrom = catalogue.checkpoints.replayFrom(catalogue.head);
    parts.pinned = log.find(replayFrom) ?? log.last + 1;
    return { head: catalogue.head, replayFrom };
  }

  page<Kind extends InventoryKind>(kind: Kind, after: number, maxBytes: number): InventoryPage<Kind> {
    if (this.rows === undefined) throw new TideError('no-cut', 'no cut of this vault is held');
    return this.rows.page(kind, after, maxBytes);
  }

  end(): void {
    this.parts.pinned = Infinity;
    this.rows?.close();
    this.rows = undefined;
  }
}

/** The catalogue's rows as they are now. They have to be committed. */
export function inventoryOf({ catalogue, store, blockFiles, receipts, databaseFile }: Parts): SqliteInventory {
  const { db, damage } = catalogue;
  return new SqliteInventory({ ...store, db, damage }, blockFiles, receipts.digests(), databaseFile);
}
