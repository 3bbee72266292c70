import { TideError } from '../../node/errors.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import type { Kind, Place, Sealer } from '../keys/sealed.ts';
import type { Sqlite } from './sqlite-schema.ts';

/** Newest damaged records that are kept for whoever wants to look; all are counted. */
const KEPT = 1_000;

/** What every store of the engine works with. */
export interface Store {
  readonly db: Sqlite;
  readonly sealer: Sealer;
  readonly keys: KeyRing;
  readonly damage: Damage;
  /** Number of the data key of this month: what is sealed under it goes when the month is shredded. */
  monthKey(): number;
}

interface Finding {
  kind: Kind;
  place: string;
  time: number;
  body: Uint8Array;
  setAside: () => void;
}

/**
 * Records that do not open. A reader notes one and goes on; the next write moves it to the table `damaged`, because a
 * read must not wait for the database's writer.
 */
export class Damage {
  private readonly db: Sqlite;
  private readonly found = new Map<string, Finding>();
  private readonly settling = new Set<string>();

  constructor(db: Sqlite) {
    this.db = db;
  }

  note(kind: Kind, place: Place, body: Uint8Array, setAside: () => void): void {
    const text = place
      .map((part) => (typeof part === 'number' ? String(part) : Buffer.from(part).toString('hex')))
      .join('/');
    const key = `${kind} ${text}`;
    if (!this.found.has(key)) this.found.set(key, { kind, place: text, time: Date.now(), body, setAside });
  }

  /** Moves what was found out of the way; part of the transaction that is open. */
  settle(): void {
    this.settling.clear();
    if (this.found.size === 0) return;
    const put = this.db.prepare('INSERT OR IGNORE INTO damaged (kind, place, time, body) VALUES (?, ?, ?, ?)');
    let settled = 0;
    for (const [key, { kind, place, time, body, setAside }] of this.found) {
      // What lies in a sealed file stays there, and is found again at each start: it counts once.
      settled += put.run(kind, place, time, body).changes;
      setAside();
      this.settling.add(key);
    }
    this.db.prepare('DELETE FROM damaged WHERE id <= (SELECT max(id) FROM damaged) - ?').run(KEPT);
    addToCounter(this.db, 'damaged', settled);
  }

  /** After the transaction that settled them is on the disk. */
  settled(): void {
    for (const key of this.settling) this.found.delete(key);
    this.settling.clear();
  }

  /** Whether something waits to be moved out of the way. */
  get pending(): boolean {
    return this.found.size > 0;
  }

  get count(): number {
    const known = this.db.prepare('SELECT 1 FROM damaged WHERE kind = ? AND place = ?');
    let count = counter(this.db, 'damaged');
    for (const { kind, place } of this.found.values()) if (known.get(kind, place) === undefined) count++;
    return count;
  }
}

/** Opens a record, or notes that it is damaged and gives undefined. `setAside` then takes its row away. */
export function openOrNote(
  { sealer, damage }: Store,
  kind: Kind,
  place: Place,
  body: Uint8Array,
  setAside: () => void,
): Uint8Array | undefined {
  try {
    return sealer.open(kind, place, body);
  } catch (error) {
    if (!(error instanceof TideError) || error.code !== 'damaged-record') throw error;
    damage.note(kind, place, body, setAside);
    return undefined;
  }
}

export function counter(db: Sqlite, name: string): number {
  return db.prepare<unknown[], number>('SELECT value FROM counters WHERE name = ?').pluck().get(name) ?? 0;
}

export function addToCounter(db: Sqlite, name: string, amount: number): void {
  db.prepare(
    'INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value',
  ).run(name, amount);
}
