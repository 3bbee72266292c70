import type { Clock } from '../node/clock.ts';
import { reasonOf } from '../node/errors.ts';
import type { Change, Range, Vault } from '../vault/vault.ts';
import { gapKey } from '../vault/gaps.ts';
import { clip, normalise } from './ranges.ts';

/** Document that counts blocks which the cloud could not read and set aside. */
export const POISON = { namespace: 'outgoing', key: 'poisoned' } as const;

/** Document that counts blocks under whose numbers the cloud holds other bytes. */
export const CONFLICTS = { namespace: 'outgoing', key: 'conflicts' } as const;

/** Namespace of how far the cloud knows each gap: by the gap's key, the `last` that it has committed. */
export const GAPS_TOLD = 'gap-told';

/** Acknowledgements are gathered for so long, so that they cost one sync and not one each. */
const GATHER_MS = 250;
/** After a commit that failed. */
const RETRY_MS = 5_000;

interface Settled {
  blocks: Map<string, Range[]>;
  /** Of these blocks, those that the cloud does not hold as they were sent, by what became of them. */
  poison: Map<string, Range[]>;
  conflict: Map<string, Range[]>;
  alerts: Map<string, { id: string; revision: number }>;
  poisoned: number;
  conflicts: number;
  /** By id of the gap; undefined for one that has become part of another. */
  gaps: Map<number, number | undefined>;
}

const nothing = (): Settled => ({
  blocks: new Map(),
  poison: new Map(),
  conflict: new Map(),
  alerts: new Map(),
  poisoned: 0,
  conflicts: 0,
  gaps: new Map(),
});

/**
 * Acknowledgements on their way into the vault. The outbox forgets exactly the ids that the cloud named, and only in a
 * commit; until that is done they are not sent again either. What arrives during a commit goes into the next one.
 */
export class Settling {
  /** Why the last commit failed. */
  trouble: string | undefined;
  private readonly clock: Clock;
  private readonly vault: Vault;
  private readonly ended: () => void;
  private at = -Infinity;
  private underWay: Promise<void> | undefined;
  /** Blocks that go out empty, since nobody can read what is in them. */
  private readonly hollow = new Map<string, Range[]>();
  private waiting = nothing();
  private committing = nothing();
  private poisonedBefore: number | undefined;
  private conflictsBefore: number | undefined;

  /** `ended` is called after each commit, whether it went well or not. */
  constructor(clock: Clock, vault: Vault, ended: () => void) {
    this.clock = clock;
    this.vault = vault;
    this.ended = ended;
  }

  blocks(stream: string, ranges: readonly Range[]): void {
    addRanges(this.waiting.blocks, stream, ranges);
  }

  /** Blocks that the cloud cannot read: they are done with, and counted. */
  poison(stream: string, ranges: readonly Range[]): void {
    this.blocks(stream, ranges);
    addRanges(this.waiting.poison, stream, ranges);
    for (const [from, to] of ranges) this.waiting.poisoned += to - from + 1;
  }

  /** Blocks under whose numbers the cloud holds other bytes, and keeps those: they are done with, and counted. */
  conflicts(stream: string, ranges: readonly Range[]): void {
    this.blocks(stream, ranges);
    addRanges(this.waiting.conflict, stream, ranges);
    for (const [from, to] of ranges) this.waiting.conflicts += to - from + 1;
  }

  /** A block that goes out empty, since nobody can read what is in it: when it ends, its readings are not delivered. */
  unreadable(stream: string, number: number): void {
    addRanges(this.hollow, stream, [[number, number]]);
  }

  alerts(acknowledged: readonly (readonly [id: string, revision: number])[]): void {
    for (const [id, revision] of acknowledged) this.waiting.alerts.set(`${id}/${revision}`, { id, revision });
  }

  gaps(acknowledged: Iterable<readonly [id: number, last: number | undefined]>): void {
    for (const [id, last] of acknowledged) this.waiting.gaps.set(id, last);
  }

  blocksOf(stream: string): readonly Range[] {
    return [...(this.waiting.blocks.get(stream) ?? []), ...(this.committing.blocks.get(stream) ?? [])];
  }

  hasAlert(key: string): boolean {
    return this.waiting.alerts.has(key) || this.committing.alerts.has(key);
  }

  alertKeys(): string[] {
    return [...this.waiting.alerts.keys(), ...this.committing.alerts.keys()];
  }

  /** Begins a commit when one is due. */
  step(): void {
    if (this.underWay !== undefined || this.clock.monotonic() < this.nextWake()) return;
    this.underWay = this.attempt();
  }

  /** When the next commit is due, monotonic. */
  nextWake(): number {
    return this.pending && this.underWay === undefined ? this.at : Infinity;
  }

  /** Stores what has come so far. Rejects when that fails. */
  async close(): Promise<void> {
    await this.underWay;
    if (this.pending) await this.commit();
  }

  private get pending(): boolean {
    return this.waiting.blocks.size > 0 || this.waiting.alerts.size > 0 || this.waiting.gaps.size > 0;
  }

  private async attempt(): Promise<void> {
    try {
      await this.commit();
      this.trouble = undefined;
      this.at = this.clock.monotonic() + GATHER_MS;
    } catch (error) {
      this.trouble = reasonOf(error);
      this.at = this.clock.monotonic() + RETRY_MS;
    }
    this.underWay = undefined;
    this.ended();
  }

  private hollowIn(blocks: ReadonlyMap<string, readonly Range[]>): Map<string, Range[]> {
    const found = new Map<string, Range[]>();
    for (const [stream, numbers] of this.hollow)
      for (const [from, to] of blocks.get(stream) ?? []) addRanges(found, stream, clip(numbers, from, to));
    return found;
  }

  private async count({ namespace, key }: typeof POISON | typeof CONFLICTS): Promise<number> {
    return Number((await this.vault.documents.get(namespace, key)) ?? 0);
  }

  /** After a failure what was to be stored waits again. */
  private async commit(): Promise<void> {
    this.poisonedBefore ??= await this.count(POISON);
    this.conflictsBefore ??= await this.count(CONFLICTS);
    const settled = this.waiting;
    this.waiting = nothing();
    this.committing = settled;
    // What is left of the blocks after these was delivered: each is let go once, by the first that names it.
    const ends = { damaged: this.hollowIn(settled.blocks), poison: settled.poison, conflict: settled.conflict };
    const changes: Change[] = (['damaged', 'poison', 'conflict'] as const).flatMap((as) =>
      [...ends[as]].map(([stream, ranges]): Change => ({ kind: 'blocks-acknowledged', stream, ranges, as })),
    );
    for (const [stream, ranges] of settled.blocks) changes.push({ kind: 'blocks-acknowledged', stream, ranges });
    if (settled.alerts.size > 0) changes.push({ kind: 'alerts-acknowledged', alerts: [...settled.alerts.values()] });
    for (const [id, last] of settled.gaps)
      changes.push({ kind: 'document', namespace: GAPS_TOLD, key: gapKey(id), value: last });
    const poisoned = this.poisonedBefore + settled.poisoned;
    if (settled.poisoned > 0) changes.push({ kind: 'document', ...POISON, value: poisoned });
    const conflicts = this.conflictsBefore + settled.conflicts;
    if (settled.conflicts > 0) changes.push({ kind: 'document', ...CONFLICTS, value: conflicts });
    try {
      await this.vault.commit(changes);
      this.poisonedBefore = poisoned;
      this.conflictsBefore = conflicts;
    } catch (error) {
      for (const kind of ['blocks', 'poison', 'conflict'] as const)
        for (const [stream, ranges] of settled[kind]) addRanges(this.waiting[kind], stream, ranges);
      for (const [key, alert] of settled.alerts) this.waiting.alerts.set(key, alert);
      for (const [id, last] of settled.gaps) if (!this.waiting.gaps.has(id)) this.waiting.gaps.set(id, last);
      this.waiting.poisoned += settled.poisoned;
      this.waiting.conflicts += settled.conflicts;
      throw error;
    } finally {
      this.committing = nothing();
    }
  }
}

function addRanges(to: Map<string, Range[]>, stream: string, ranges: readonly Range[]): void {
  if (ranges.length > 0) to.set(stream, normalise([...(to.get(stream) ?? []), ...ranges]));
}
