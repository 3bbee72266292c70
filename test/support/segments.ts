import { createHash, randomBytes } from 'node:crypto';
import type { Reading } from '../../nodes/src/reading/reading.ts';
import { BatchEncoder, decodeBatch, type BatchChunk } from '../../nodes/src/vault/batch-codec.ts';
import { BASE_KEY, monthKey, monthOfTime } from '../../nodes/src/vault/keys/key-numbers.ts';
import { Sealer } from '../../nodes/src/vault/keys/sealed.ts';
import { readingsOf, type ReadingColumns } from '../../nodes/src/vault/readings/reading-columns.ts';
import type { QueryCursor, ReadingStore, SegmentSeals } from '../../nodes/src/vault/readings/reading-store.ts';

/** A clock that stands until it is moved. */
export class HandClock {
  wall = Date.UTC(2026, 2, 1);
  since = 0;
  now = (): number => this.wall;
  monotonic = (): number => this.since;
}

/** Keys of months that are made when they are asked for, and can be destroyed. */
export class MonthKeys {
  readonly current = BASE_KEY;
  readonly destroyed = new Set<number>();
  readonly given = new Set<number>();
  private readonly root = randomBytes(32);

  recordKey(id: number): Uint8Array | undefined {
    if (this.destroyed.has(id)) return undefined;
    return createHash('sha256').update(this.root).update(`${id}`).digest();
  }

  gone(id: number): string | undefined {
    return this.destroyed.has(id) ? 'was destroyed' : undefined;
  }

  keyFor(time: number): number {
    const id = monthKey(monthOfTime(time) ?? 0, 0);
    this.given.add(id);
    return id;
  }
}

export interface Seals extends SegmentSeals {
  keys: MonthKeys;
  clock: HandClock;
}

export function segmentSeals(): Seals {
  const keys = new MonthKeys();
  return {
    keys,
    sealer: new Sealer(keys, randomBytes(16)),
    keyFor: (time) => keys.keyFor(time),
    clock: new HandClock(),
  };
}

/** Numbers of series by name, as the vault gives them out. */
export class Names {
  readonly names: string[] = [''];
  private readonly numbers = new Map<string, number>();

  number(name: string): number {
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    this.numbers.set(name, this.names.length);
    return this.names.push(name) - 1;
  }

  encode(readings: readonly Reading[]): BatchChunk[] {
    return new BatchEncoder().encode(readings, ({ series }) => this.number(series));
  }

  /** The same after batch-codec's own way there and back: what has to come out of the store. */
  decoded(readings: readonly Reading[]): Reading[] {
    return this.encode(readings).flatMap(({ bytes }) =>
      decodeBatch(bytes, (number) => this.names[number]),
    ) as Reading[];
  }
}

/** All pages of a query, as readings. */
export function queried(
  store: ReadingStore,
  names: Names,
  series: readonly number[],
  { from = -Infinity, to = Infinity, most = 8_192 }: { from?: number; to?: number; most?: number } = {},
): Reading[] {
  const readings: Reading[] = [];
  let cursor: QueryCursor | undefined;
  do {
    const page = store.query(series, from, to, cursor, most);
    let count = 0;
    for (const part of page.parts) {
      count += part.count;
      readings.push(...named(part, names));
    }
    if (count > most) throw new Error(`a page of ${count} readings; at most ${most} were asked for`);
    cursor = page.next;
  } while (cursor !== undefined);
  return readings;
}

export const named = (columns: ReadingColumns, names: Names): Reading[] =>
  readingsOf(columns, names.names[columns.series]);

/** What a query of all series, in order of number, has to give. */
export function bySeries(readings: readonly Reading[], names: Names): Reading[] {
  return [...readings.keys()]
    .toSorted((a, b) => names.number(readings[a].series) - names.number(readings[b].series) || a - b)
    .map((i) => readings[i]);
}

/** Waits for syncs that are under way and steps until the fold is done. */
export async function folded(store: ReadingStore, budgetMs = 5): Promise<ReturnType<ReadingStore['foldStep']>> {
  for (;;) {
    const entry = store.foldStep(budgetMs);
    if (entry !== undefined) return entry;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
