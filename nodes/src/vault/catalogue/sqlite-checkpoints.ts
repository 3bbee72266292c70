import { z } from 'zod';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import type { EncodedChange, EncodedCheckpoint } from '../engine.ts';
import { orphanName } from '../orphans.ts';
import { counter, openOrNote, type Store } from './sqlite-damage.ts';
import type { Query, Statement } from './sqlite-schema.ts';

/** Counter of the position below which nobody is waited for. */
const LEFT_BEHIND = 'left-behind';
/** Begin of the names of consumers whose state are windows of registers. */
const REGISTERS = 'summary/';

type Checkpoint = Extract<EncodedChange, { kind: 'checkpoint' }>;

/** What restartable nodes saved: a low-watermark for each consumer, a state for each of its series. */
export class SqliteCheckpoints {
  private readonly store: Store;
  private readonly find: Query<number>;
  private readonly putConsumer: Statement;
  private readonly putCheckpoint: Statement;

  constructor(store: Store) {
    this.store = store;
    const { db } = store;
    this.find = db.prepare<unknown[], number>('SELECT id FROM consumers WHERE name = ?').pluck();
    this.putConsumer = db.prepare(
      'INSERT INTO consumers (id, name, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body',
    );
    this.putCheckpoint = db.prepare(
      `INSERT INTO checkpoints (consumer, series, body) VALUES (?, ?, ?)
       ON CONFLICT (consumer, series) DO UPDATE SET body = excluded.body`,
    );
  }

  put({ consumer, series, position, state }: Checkpoint): void {
    // A consumer whose first change is a checkpoint has said nothing about where to read from: from the oldest reading.
    const id = this.id(consumer) ?? this.register(consumer, 1);
    const plain = Buffer.allocUnsafe(8 + state.length);
    plain.writeDoubleLE(position, 0);
    plain.set(state, 8);
    this.putCheckpoint.run(id, series, this.store.sealer.seal('checkpoint', [id, series], plain));
  }

  /** Moves the low-watermark; makes the consumer. Returns its row. */
  register(consumer: string, replayFrom: number): number {
    const { db, sealer } = this.store;
    const name = this.name(consumer);
    const next = db.prepare<unknown[], number>('SELECT coalesce(max(id), 0) + 1 FROM consumers').pluck();
    const id = this.find.get(name) ?? next.get() ?? 1;
    this.putConsumer.run(id, name, sealer.seal('consumer', [id, name], encodeConsumer(consumer, replayFrom)));
    return id;
  }

  forget(consumer: string): void {
    const id = this.id(consumer);
    if (id === undefined) return;
    const { db } = this.store;
    db.prepare('DELETE FROM checkpoints WHERE consumer = ?').run(id);
    db.prepare('DELETE FROM consumers WHERE id = ?').run(id);
  }

  load(consumer: string): EncodedCheckpoint | undefined {
    const { db } = this.store;
    const id = this.id(consumer);
    if (id === undefined) return undefined;
    const rows = db
      .prepare<unknown[], { series: number; body: Buffer }>('SELECT series, body FROM checkpoints WHERE consumer = ?')
      .all(id);
    const series: EncodedCheckpoint['series'] = [];
    for (const { series: number, body } of rows) {
      const plain = openOrNote(this.store, 'checkpoint', [id, number], body, () =>
        db.prepare('DELETE FROM checkpoints WHERE consumer = ? AND series = ?').run(id, number),
      );
      if (plain === undefined) continue;
      const position = Buffer.from(plain.buffer, plain.byteOffset, 8).readDoubleLE(0);
      series.push({ series: number, position, state: plain.subarray(8) });
    }
    return { replayFrom: this.consumers().get(id)?.replayFrom ?? 1, series };
  }

  /**
   * Sets the consumers that write registers (`summary/…`) aside: their open windows belong to the writer that this store
   * was, which may have closed and sent them since. Their successors begin at `head`, so that no reading gets into a part
   * of both. Detectors' memory goes on. Returns the names of those set aside.
   */
  orphan(incarnation: string, head: number): string[] {
    const { db, sealer } = this.store;
    const rename = db.prepare('UPDATE consumers SET name = ?, body = ? WHERE id = ?');
    const orphans: string[] = [];
    for (const [id, { name, replayFrom }] of this.consumers()) {
      if (!name.startsWith(REGISTERS)) continue;
      const orphan = orphanName({ incarnation, name });
      const hash = this.name(orphan);
      rename.run(hash, sealer.seal('consumer', [id, hash], encodeConsumer(orphan, replayFrom)), id);
      this.register(name, Math.max(replayFrom, head));
      orphans.push(orphan);
    }
    return orphans;
  }

  /** Lowest watermark of all consumers, `head` when there are none. */
  replayFrom(head: number): number {
    const watermarks = [...this.consumers().values()].map(({ replayFrom }) => replayFrom);
    return watermarks.length === 0 ? head : Math.min(...watermarks);
  }

  /** Position from which on readings are kept for consumers: their lowest watermark, unless they were left behind. */
  keptFrom(head: number): number {
    return Math.max(this.replayFrom(head), counter(this.store.db, LEFT_BEHIND));
  }

  /** Whether somebody makes registers of the readings. */
  get summarised(): boolean {
    return [...this.consumers().values()].some(({ name }) => name.startsWith(REGISTERS));
  }

  leaveBehind(below: number): void {
    const put = this.store.db.prepare(
      'INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)',
    );
    put.run(LEFT_BEHIND, below);
  }

  /** Name and low-watermark of each consumer; a damaged one reads everything again, since states skip what they include. */
  private consumers(): Map<number, { name: string; replayFrom: number }> {
    const { db } = this.store;
    const rows = db
      .prepare<unknown[], { id: number; name: Buffer; body: Buffer }>('SELECT id, name, body FROM consumers')
      .all();
    return new Map(
      rows.map(({ id, name, body }) => {
        const plain = openOrNote(this.store, 'consumer', [id, name], body, () => {
          const again = this.store.sealer.seal('consumer', [id, name], encodeConsumer(undefined, 1));
          this.putConsumer.run(id, name, again);
        });
        const read = plain === undefined ? { consumer: undefined, replayFrom: 1 } : consumerIn(plain);
        return [id, { name: read.consumer ?? '', replayFrom: read.replayFrom }];
      }),
    );
  }

  private id(consumer: string): number | undefined {
    return this.find.get(this.name(consumer));
  }

  private name(consumer: string): Buffer {
    return this.store.keys.nameHash('consumer', consumer);
  }
}

/** A consumer's row holds its name too: whoever takes stock of the vault has no other way to learn it. */
function encodeConsumer(consumer: string | undefined, replayFrom: number): Uint8Array {
  return encodeCbor([replayFrom, ...(consumer === undefined ? [] : [consumer])]);
}

/** What a consumer's row says; one that was damaged, or was written before rows held names, has none. */
export function consumerIn(plain: Uint8Array): { consumer: string | undefined; replayFrom: number } {
  const read = z.union([z.number(), z.tuple([z.number(), z.string().optional()])]).parse(decodeCbor(plain));
  const [replayFrom, consumer] = typeof read === 'number' ? [read] : read;
  return { consumer, replayFrom };
}
