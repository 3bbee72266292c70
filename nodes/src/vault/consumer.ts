import type { Reading } from '../reading/reading.ts';
import { deliveriesOf, type Deliveries } from './deliveries.ts';
import type { Change, Vault } from './vault.ts';

/** How a consumer's state of one series becomes bytes. */
export interface StateCodec<State> {
  create(series: string): State;
  encode(state: State): Uint8Array;
  /** Undefined when the bytes are of a version that is no longer read; the series then starts afresh. */
  decode(bytes: Uint8Array, series: string): State | undefined;
}

interface Entry<State> {
  readonly number: number;
  state: State;
  /** Position of the last reading that `state` includes. */
  position: number;
  /** Position of the first reading that is in `state` but not yet saved; 0 when all are. */
  unsavedFrom: number;
  savedAt: number;
}

/** A save under way: the changes to commit, then exactly one of the two calls. */
export interface Save {
  readonly changes: readonly Change[];
  committed(): void;
  failed(): void;
}

/**
 * State of a restartable node, series by series. A reading is taken once: what the state already includes is skipped,
 * whether it comes again after a restart or twice in a row. Series are saved one by one; the low-watermark `replayFrom`
 * tells the doors from where to read again, and it never passes a reading that is in no saved state.
 */
export class Consumer<State> {
  readonly id: string;
  private readonly vault: Vault;
  private readonly deliveries: Deliveries;
  private readonly codec: StateCodec<State>;
  private readonly series = new Map<string, Entry<State>>();
  /** Lowest unsaved position of each save under way: not on the disk until it has committed. */
  private readonly underWay = new Set<{ from: number }>();
  /** What lies below was seen before this consumer was opened. */
  private readonly from: number;
  /** Position after the last reading seen. */
  private through: number;
  /** Low-watermark of the newest save that has committed. */
  private saved: number;
  /** Readings that were skipped because the state included them. */
  skipped = 0;

  private constructor(vault: Vault, id: string, codec: StateCodec<State>, through: number) {
    this.vault = vault;
    this.deliveries = deliveriesOf(vault);
    this.id = id;
    this.codec = codec;
    this.from = through;
    this.through = through;
    this.saved = through;
  }

  /** Loads what the consumer saved; one that the vault does not know yet is registered and starts at the oldest reading. */
  static async open<State>(vault: Vault, id: string, codec: StateCodec<State>): Promise<Consumer<State>> {
    const saved = await vault.checkpoints.load(id);
    const consumer = new Consumer(vault, id, codec, saved?.replayFrom ?? 1);
    if (saved === undefined) await vault.commit([{ kind: 'consumer', consumer: id, replayFrom: 1 }]);
    for (const { series: number, position, state: bytes } of saved?.series ?? []) {
      const name = vault.series.name(number);
      const state = name === undefined ? undefined : codec.decode(bytes, name);
      if (name === undefined || state === undefined) continue;
      consumer.series.set(name, { number, state, position, unsavedFrom: 0, savedAt: 0 });
    }
    return consumer;
  }

  /** The state to which this reading is to be added, or undefined when it is included already. The reading needs a position. */
  take(reading: Reading): State | undefined {
    const position = reading.position;
    if (position === undefined) throw new TypeError('a reading without a journal position cannot be taken');
    let entry = this.series.get(reading.series);
    if (entry === undefined) {
      const { series } = reading;
      entry = {
        number: this.vault.series.number(series),
        state: this.codec.create(series),
        position: this.from - 1,
        unsavedFrom: 0,
        savedAt: 0,
      };
      this.series.set(series, entry);
    }
    if (position >= this.through) this.through = position + 1;
    if (position <= entry.position) {
      this.skipped++;
      return undefined;
    }
    entry.position = position;
    if (entry.unsavedFrom === 0) entry.unsavedFrom = position;
    return entry.state;
  }

  /** States by name of series. */
  *states(): IterableIterator<[series: string, state: State]> {
    for (const [name, entry] of this.series) yield [name, entry.state];
  }

  state(series: string): State | undefined {
    return this.series.get(series)?.state;
  }

  /** Marks a series as changed by something other than a reading (a tick), so that it is saved in its turn. */
  touch(series: string): void {
    const entry = this.series.get(series);
    if (entry !== undefined && entry.unsavedFrom === 0) entry.unsavedFrom = this.through;
  }

  /** Changes that save these series as they are now, to be committed together with whatever follows from them. */
  save(names: Iterable<string>, now: number): Save {
    const changes: Change[] = [];
    const saving: [entry: Entry<State>, unsavedFrom: number, savedAt: number][] = [];
    for (const name of names) {
      const entry = this.series.get(name);
      if (entry === undefined) continue;
      saving.push([entry, entry.unsavedFrom, entry.savedAt]);
      changes.push({
        kind: 'checkpoint',
        consumer: this.id,
        series: entry.number,
        position: entry.position,
        state: this.codec.encode(entry.state),
      });
      entry.unsavedFrom = 0;
      entry.savedAt = now;
    }
    const replayFrom = this.lowWatermark();
    changes.push({ kind: 'consumer', consumer: this.id, replayFrom });
    let from = Number.POSITIVE_INFINITY;
    for (const [, unsavedFrom] of saving) if (unsavedFrom !== 0 && unsavedFrom < from) from = unsavedFrom;
    // Each save counts for itself: a later save of the same series that commits must not vouch for this one.
    const own = { from };
    this.underWay.add(own);
    return {
      changes,
      committed: () => {
        this.underWay.delete(own);
        this.saved = replayFrom;
      },
      failed: () => {
        this.underWay.delete(own);
        for (const [entry, unsavedFrom, savedAt] of saving) {
          if (unsavedFrom !== 0)
            entry.unsavedFrom = entry.unsavedFrom === 0 ? unsavedFrom : Math.min(entry.unsavedFrom, unsavedFrom);
          entry.savedAt = savedAt;
        }
      },
    };
  }

  /** Names of unsaved series whose last save is at least `intervalMs` ago, longest waiting first, at most `limit`. */
  due(now: number, intervalMs: number, limit: number): string[] {
    const waiting: [name: string, savedAt: number][] = [];
    for (const [name, entry] of this.series) {
      if (entry.unsavedFrom !== 0 && now - entry.savedAt >= intervalMs) waiting.push([name, entry.savedAt]);
    }
    waiting.sort((a, b) => a[1] - b[1]);
    return waiting.slice(0, limit).map(([name]) => name);
  }

  /** Names of series with unsaved readings below a position: they keep the low-watermark from passing it. */
  unsavedBelow(below: number): string[] {
    const names: string[] = [];
    for (const [name, { unsavedFrom }] of this.series) {
      if (unsavedFrom !== 0 && unsavedFrom < below) names.push(name);
    }
    return names;
  }

  /** What is saved says less than is so, below a position: a save of no series moves the low-watermark. */
  lagsBelow(below: number): boolean {
    return this.saved < below && this.lowWatermark() > this.saved;
  }

  private lowWatermark(): number {
    let lowest = Math.min(this.through, this.deliveries.floor());
    for (const entry of this.series.values()) {
      if (entry.unsavedFrom !== 0 && entry.unsavedFrom < lowest) lowest = entry.unsavedFrom;
    }
    for (const { from } of this.underWay) if (from < lowest) lowest = from;
    return lowest;
  }
}
