import { createHash } from 'node:crypto';
import type { Clock } from '../node/clock.ts';
import { orphanOf, type Orphan } from '../vault/orphans.ts';
import type { Range, StreamBacklog, Vault } from '../vault/vault.ts';
import { BULK_FRAME_BYTES, byUrgency } from './block-lane.ts';
import { encodeBody } from './body.ts';
import type { LaneParts } from './lane-parts.ts';
import {
  CATALOGUE_STREAM,
  MAX_ASKED,
  blocks as blocksSchema,
  type Ack,
  type Blocks,
  type Verdict,
} from './messages.ts';
import { orphanNames, type NameOf } from './orphan-series.ts';
import type { Outgoing } from './outgoing.ts';
import { normalise, rangesOf } from './ranges.ts';
import type { Settling } from './settling.ts';
import { withoutRefused, type Complain } from './shredding.ts';
import type { SendBody } from './transport.ts';

/** Bytes of blocks that are asked for at once, and so lie in memory. */
const BATCH_BYTES = 131_072;
/** Bytes of frames under way. */
const WINDOW_BYTES = 65_536;
/** Without an answer; doubled each time. A cloud of an older version never answers. */
const FIRST_TIMEOUT_MS = 5_000;
const LAST_TIMEOUT_MS = 600_000;

/** Blocks of one stream whose fate is being settled. */
interface Batch {
  /** Name of the stream in the outbox. */
  stream: string;
  orphan: Orphan;
  bodies: Map<number, Uint8Array>;
  /** Id of the question under way. */
  asked: number | undefined;
  /** What the cloud lacks and has not been sent yet, newest last. */
  wanted: number[];
  /** Sent and not acknowledged, with their bytes. */
  sent: Map<number, number>;
  /** Sent at least once. */
  tried: Set<number>;
  nameOf: NameOf;
}

/**
 * Sends what earlier incarnations of this vault left waiting, byte for byte and under their own ids, once nothing of its
 * own is under way. Whoever the vault was copied from may have sent the same numbers since, with these bytes or others. So
 * the cloud is asked first, by digests: only what it says that it lacks is sent, and a block is let go only when an answer
 * to a question of this very session says what became of it. An acknowledgement that comes under the old id may be meant
 * for the other copy; it does no more than make this one ask again.
 */
export class OrphanLane {
  private readonly clock: Clock;
  private readonly vault: Vault;
  private readonly outgoing: Outgoing;
  private readonly settling: Settling;
  private readonly send: SendBody;
  private readonly complain: Complain;
  private readonly random: () => number;
  private backlog: readonly StreamBacklog[] = [];
  private batch: Batch | undefined;
  private timeoutAt = Infinity;
  private timeoutMs = FIRST_TIMEOUT_MS;
  private pausedUntil = -Infinity;
  /** Nothing to send was found; until something changes nobody looks again. */
  private drained = true;

  constructor({ clock, vault, outgoing, settling, send, complain }: LaneParts, random: () => number) {
    this.clock = clock;
    this.vault = vault;
    this.outgoing = outgoing;
    this.settling = settling;
    this.send = send;
    this.complain = complain;
    this.random = random;
  }

  /** Takes note of what waits. */
  observe(backlog: readonly StreamBacklog[]): void {
    this.backlog = backlog
      .filter(({ stream, count }) => count > 0 && orphanOf(stream) !== undefined)
      .toSorted((a, b) => byUrgency(nameIn(a), nameIn(b)));
    this.drained = this.backlog.length === 0;
  }

  /** Blocks that wait. */
  get waiting(): number {
    return this.backlog.reduce((sum, { count }) => sum + count, 0);
  }

  /** Incarnations of which blocks wait. */
  get incarnations(): Set<string> {
    return new Set(this.backlog.flatMap(({ stream }) => orphanOf(stream)?.incarnation ?? []));
  }

  /** What was begun is begun again: the connection was lost, or the grants have changed. */
  reset(): void {
    this.batch = undefined;
    this.timeoutAt = Infinity;
    this.timeoutMs = FIRST_TIMEOUT_MS;
    this.pausedUntil = -Infinity;
    this.drained = this.backlog.length === 0;
  }

  async step(): Promise<void> {
    const now = this.clock.monotonic();
    if (now >= this.timeoutAt) this.expired();
    if (now < this.pausedUntil || this.drained) return;
    this.batch ??= await this.gather();
    if (this.batch === undefined || this.batch.asked !== undefined) return;
    this.ship(this.batch);
    if (this.batch.wanted.length === 0 && this.batch.sent.size === 0) this.ask(this.batch);
  }

  /** An acknowledgement under an earlier incarnation came. */
  acknowledged(incarnation: string, { streams, answer }: Ack): void {
    const { batch } = this;
    if (batch === undefined || batch.orphan.incarnation !== incarnation) return;
    for (const [from, to] of streams[batch.orphan.name] ?? [])
      for (const number of batch.sent.keys()) if (from <= number && number <= to) batch.sent.delete(number);
    if (answer !== undefined && answer.id === batch.asked) this.answered(batch, answer.blocks);
  }

  /** The cloud could not read these blocks. */
  poisoned(incarnation: string, stream: string, ranges: readonly Range[]): void {
    const { batch } = this;
    if (batch?.orphan.incarnation !== incarnation || batch.orphan.name !== stream) return;
    const numbers = [...batch.sent.keys()].filter((number) =>
      ranges.some(([from, to]) => from <= number && number <= to),
    );
    this.settling.poison(batch.stream, rangesOf(numbers));
    for (const number of numbers) this.done(batch, number);
  }

  /** When there is something to do next, monotonic. */
  nextWake(): number {
    if (this.drained) return Infinity;
    const now = this.clock.monotonic();
    if (this.pausedUntil > now) return this.pausedUntil;
    return this.batch === undefined ? now : this.timeoutAt;
  }

  private async gather(): Promise<Batch | undefined> {
    const nameOf = await orphanNames(this.vault);
    for (const { stream } of this.backlog) {
      const orphan = orphanOf(stream);
      if (orphan === undefined) continue;
      const order = orphan.name === CATALOGUE_STREAM ? 'oldest' : 'newest';
      const skip = normalise(this.settling.blocksOf(stream));
      const blocks = await this.vault.outbox.peek(stream, order, skip, BATCH_BYTES);
      const settled = normalise(this.settling.blocksOf(stream));
      const bodies = new Map<number, Uint8Array>();
      for (const block of blocks.slice(0, MAX_ASKED)) {
        if (settled.some(([from, to]) => from <= block.number && block.number <= to)) continue;
        bodies.set(block.number, this.cleared(nameOf, stream, block.number, block.body));
      }
      if (bodies.size === 0) continue;
      return { stream, orphan, bodies, nameOf, asked: undefined, wanted: [], sent: new Map(), tried: new Set() };
    }
    this.drained = true;
    return undefined;
  }

  private ask(batch: Batch): void {
    const id = Math.floor(this.random() * 2 ** 48);
    const asked = [...batch.bodies].map(([number, body]): [number, Uint8Array] => [number, digestOf(body)]);
    if (this.hand(batch, { blocks: [], ask: { id, blocks: asked } })) batch.asked = id;
    this.wait();
  }

  private answered(batch: Batch, verdicts: readonly (readonly [number: number, verdict: Verdict])[]): void {
    batch.asked = undefined;
    this.timeoutAt = Infinity;
    const before = batch.bodies.size;
    const wanted = verdicts.flatMap(([number, verdict]) =>
      verdict === 'wanted' && batch.bodies.has(number) ? number : [],
    );
    const of = (sought: Verdict): Range[] =>
      rangesOf(verdicts.flatMap(([number, verdict]) => (verdict === sought && batch.bodies.has(number) ? number : [])));
    this.settling.blocks(batch.stream, of('held'));
    this.settling.poison(batch.stream, of('poison'));
    const others = of('other');
    this.settling.conflicts(batch.stream, others);
    if (others.length > 0)
      this.complain(`the cloud keeps what it holds under blocks of ${batch.orphan.name} that ${ANOTHER}`);
    for (const [number, verdict] of verdicts) if (verdict !== 'wanted') this.done(batch, number);
    batch.wanted = wanted;
    if (batch.bodies.size < before || wanted.some((number) => !batch.tried.has(number)))
      this.timeoutMs = FIRST_TIMEOUT_MS;
    else this.pause();
  }

  private done(batch: Batch, number: number): void {
    batch.bodies.delete(number);
    batch.sent.delete(number);
    if (batch.bodies.size === 0 && this.batch === batch) this.batch = undefined;
  }

  private ship(batch: Batch): void {
    while (batch.wanted.length > 0 && underWay(batch) < WINDOW_BYTES) {
      const blocks: { number: number; body: Uint8Array }[] = [];
      let size = 0;
      for (const number of batch.wanted) {
        // The grants may have changed since the question; the next one names what was sent then.
        const body = this.cleared(batch.nameOf, batch.stream, number, batch.bodies.get(number) ?? new Uint8Array());
        batch.bodies.set(number, body);
        if (blocks.length > 0 && size + body.length > BULK_FRAME_BYTES) break;
        blocks.push({ number, body });
        size += body.length;
      }
      if (!this.hand(batch, { blocks })) return this.wait();
      batch.wanted.splice(0, blocks.length);
      for (const { number, body } of blocks) {
        batch.sent.set(number, body.length);
        batch.tried.add(number);
      }
      this.wait();
    }
  }

  private cleared(nameOf: NameOf, stream: string, number: number, body: Uint8Array): Uint8Array {
    return withoutRefused(nameOf, this.outgoing.grants, { stream, number, body }, this.complain) ?? body;
  }

  private hand(batch: Batch, body: Blocks): boolean {
    const { name, incarnation } = batch.orphan;
    return this.send('bulk', 'fill', encodeBody(blocksSchema, body), name, incarnation) !== undefined;
  }

  /** No answer, or no acknowledgement: what became of it, the next question tells. */
  private expired(): void {
    this.timeoutAt = Infinity;
    if (this.batch === undefined) return;
    this.batch.asked = undefined;
    this.batch.wanted = [];
    this.batch.sent.clear();
    this.pause();
  }

  private wait(): void {
    this.timeoutAt = this.clock.monotonic() + this.timeoutMs;
  }

  private pause(): void {
    this.pausedUntil = this.clock.monotonic() + this.timeoutMs * this.random();
    this.timeoutMs = Math.min(LAST_TIMEOUT_MS, this.timeoutMs * 2);
  }
}

const ANOTHER = 'this vault sealed before it was copied or restored, with other bytes';

const nameIn = ({ stream }: StreamBacklog): string => orphanOf(stream)?.name ?? stream;

const underWay = ({ sent }: Batch): number => [...sent.values()].reduce((sum, bytes) => sum + bytes, 0);

const digestOf = (body: Uint8Array): Uint8Array => Uint8Array.from(createHash('sha256').update(body).digest());
