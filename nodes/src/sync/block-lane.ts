import type { Clock } from '../node/clock.ts';
import { resolutionOf } from '../summary/stream.ts';
import type { Block, Range, StreamBacklog, Vault } from '../vault/vault.ts';
import { encodeBody } from './body.ts';
import { FlowWindow } from './flow-window.ts';
import { CATALOGUE_STREAM, blocks as blocksSchema, type Welcome } from './messages.ts';
import type { Outgoing } from './outgoing.ts';
import type { NameOf } from './orphan-series.ts';
import { contains, normalise, without } from './ranges.ts';
import type { Settling } from './settling.ts';
import { withoutRefused, type Complain } from './shredding.ts';
import type { LaneParts } from './lane-parts.ts';
import type { SendBody } from './transport.ts';

/** Size of a frame that bulk is cut into, bytes: an alert on the same link never waits longer than for one of these. */
export const BULK_FRAME_BYTES = 16_384;
/** Bytes under way, whatever the cloud's credits. */
const MAX_WINDOW = 1 << 20;
const MAX_FLIGHTS = 256;
/** Every so many frames one takes the oldest block that waits, so that newer ones never starve it. */
const OLDEST_EVERY = 4;

interface Flight {
  stream: string;
  waiting: Set<number>;
  bytes: number;
  sentAt: number;
  again: boolean;
}

interface StreamState {
  /** Blocks up to this number may be sent; later ones wait for the next batch. */
  released: number;
  /** From this number on blocks were sealed after the session began: live, not backlog. */
  liveFrom: number;
  sealed: number;
  /** Nothing to send was found; until something changes nobody looks again. */
  drained: boolean;
  /** The same of what is live. */
  liveDrained: boolean;
}

/** Sends blocks: live ones first, then the backlog newest first with a share for the oldest, within a window of bytes. */
export class BlockLane {
  private readonly clock: Clock;
  private readonly vault: Vault;
  private readonly outgoing: Outgoing;
  private readonly settling: Settling;
  private readonly send: SendBody;
  private readonly complain: Complain;
  private readonly nameOf: NameOf;
  private readonly window = new FlowWindow(MAX_WINDOW);
  private readonly streams = new Map<string, StreamState>();
  private readonly lost = new Map<string, Range[]>();
  private flights: Flight[] = [];
  private frames = 0;
  private sentAgain = 0;
  /** Bytes of a frame for each byte of the blocks in it: large blocks are compressed already. */
  private ratio = 1;
  private heldUntil = -Infinity;
  /** Until then the backlog waits for its turn, monotonic. */
  private fillFrom = -Infinity;

  constructor({ clock, vault, outgoing, settling, send, complain }: LaneParts) {
    this.clock = clock;
    this.vault = vault;
    this.outgoing = outgoing;
    this.settling = settling;
    this.send = send;
    this.complain = complain;
    this.nameOf = (_stream, number) => vault.series.name(number);
  }

  get latencyMs(): number {
    return this.window.latencyMs;
  }

  /** Frames that held a block which had been sent before. */
  get framesAgain(): number {
    return this.sentAgain;
  }

  get underWayBytes(): number {
    return this.flights.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Nothing is under way, and nothing is left that may be sent now. */
  get idle(): boolean {
    return this.flights.length === 0 && [...this.streams.values()].every(({ drained }) => drained);
  }

  /** Until the backlog may be sent, 0 when it may. */
  get turnInMs(): number {
    return Math.max(0, this.fillFrom - this.clock.monotonic());
  }

  /** A session begins: everything that waits is backlog and may be sent when its turn comes. */
  begin(backlog: readonly StreamBacklog[], { credits, fillAfterMs = 0 }: Welcome): void {
    this.fillFrom = this.clock.monotonic() + fillAfterMs;
    this.window.ceiling = Math.min(MAX_WINDOW, Math.max(credits, BULK_FRAME_BYTES));
    this.reset();
    this.heldUntil = -Infinity;
    this.streams.clear();
    for (const { stream, sealed } of backlog)
      this.streams.set(stream, { released: sealed, liveFrom: sealed + 1, sealed, drained: false, liveDrained: true });
  }

  /** Takes note of what has been sealed. */
  observe(backlog: readonly StreamBacklog[]): void {
    for (const { stream, sealed } of backlog) {
      const state = this.streams.get(stream);
      if (state === undefined)
        this.streams.set(stream, { released: 0, liveFrom: 1, sealed, drained: true, liveDrained: true });
      else state.sealed = sealed;
    }
  }

  /** The batch interval is over: everything sealed so far may be sent. */
  release(): void {
    for (const state of this.streams.values()) {
      if (state.sealed <= state.released) continue;
      state.released = state.sealed;
      state.drained = false;
      state.liveDrained = false;
    }
  }

  /** How many blocks of a backlog may be sent by now. */
  releasedOf({ stream, sealed, count }: StreamBacklog): number {
    const released = this.streams.get(stream)?.released ?? 0;
    return Math.max(0, count - Math.max(0, sealed - released));
  }

  /** Sends until the window is full or nothing is left. True when frames under way were lost. */
  async step(): Promise<boolean> {
    const expired = this.expire(this.clock.monotonic());
    while (
      this.clock.monotonic() >= this.heldUntil &&
      this.underWayBytes < this.window.bytes &&
      this.flights.length < MAX_FLIGHTS
    ) {
      const blocks = await this.pick();
      if (blocks.length === 0 || !this.ship(blocks)) break;
    }
    return expired;
  }

  /** Those of these blocks that were sent here: all copies of a gateway hear the same topics. */
  sentOf(stream: string, ranges: readonly Range[]): readonly Range[] {
    const sent = normalise([...(this.lost.get(stream) ?? []), ...this.underWayOf(stream)]);
    return without(ranges, without(ranges, sent));
  }

  acknowledged(stream: string, ranges: readonly Range[]): void {
    const now = this.clock.monotonic();
    for (const flight of this.flights) {
      if (flight.stream !== stream) continue;
      for (const number of flight.waiting) if (contains(ranges, number)) flight.waiting.delete(number);
      if (flight.waiting.size === 0 && !flight.again) this.window.acknowledged(now - flight.sentAt, flight.bytes, now);
    }
    this.flights = this.flights.filter(({ waiting }) => waiting.size > 0);
    const lost = this.lost.get(stream);
    if (lost !== undefined) this.lost.set(stream, without(lost, ranges));
  }

  /** The cloud asked to be left alone for a while; what was under way is sent again. */
  hold(until: number): void {
    this.heldUntil = until;
    this.reset();
  }

  reset(): void {
    for (const flight of this.flights) this.giveUp(flight);
    this.flights = [];
    for (const state of this.streams.values()) {
      state.drained = false;
      state.liveDrained = false;
    }
  }

  /** When there is something to do next, monotonic. */
  nextWake(): number {
    const timeout = this.window.timeoutMs;
    const now = this.clock.monotonic();
    let earliest = this.heldUntil > now ? this.heldUntil : Infinity;
    if (this.fillFrom > now && !this.idle) earliest = Math.min(earliest, this.fillFrom);
    for (const { sentAt } of this.flights) earliest = Math.min(earliest, sentAt + timeout);
    return earliest;
  }

  private expire(now: number): boolean {
    const timeout = this.window.timeoutMs;
    const kept = this.flights.filter(({ sentAt }) => now - sentAt < timeout);
    if (kept.length === this.flights.length) return false;
    for (const flight of this.flights) if (!kept.includes(flight)) this.giveUp(flight);
    this.flights = kept;
    this.window.expired();
    return true;
  }

  private giveUp({ stream, waiting }: Flight): void {
    const numbers = [...waiting].map((number): Range => [number, number]);
    this.lost.set(stream, normalise([...(this.lost.get(stream) ?? []), ...numbers]));
    const state = this.streams.get(stream);
    if (state === undefined) return;
    state.drained = false;
    state.liveDrained = false;
  }

  /** Blocks of one stream for the next frame; none when nothing may be sent. */
  private async pick(): Promise<readonly Block[]> {
    const order = [...this.streams].flatMap(([stream, { drained }]) => (drained ? [] : [stream])).toSorted(byUrgency);
    const waits = this.turnInMs > 0;
    const oldest = !waits && this.frames % OLDEST_EVERY === OLDEST_EVERY - 1;
    if (!oldest) {
      for (const stream of order) {
        const state = this.streams.get(stream);
        if (state === undefined || state.liveDrained || state.released < state.liveFrom) continue;
        state.liveDrained = true;
        const blocks = await this.peek(stream, 'newest', state.liveFrom);
        if (blocks.length === 0) continue;
        state.liveDrained = false;
        return blocks;
      }
    }
    for (const stream of order) {
      const state = this.streams.get(stream);
      // Names go with what is new.
      if (state === undefined || (waits && stream !== CATALOGUE_STREAM)) continue;
      // Before the vault is asked: what becomes ready meanwhile takes it back.
      state.drained = true;
      const blocks = await this.peek(stream, oldest || stream === CATALOGUE_STREAM ? 'oldest' : 'newest', 1);
      if (blocks.length === 0) continue;
      state.drained = false;
      return blocks;
    }
    return [];
  }

  private async peek(stream: string, order: 'newest' | 'oldest', from: number): Promise<readonly Block[]> {
    const released = this.streams.get(stream)?.released ?? 0;
    const skip: Range[] = [...this.underWayOf(stream), ...this.settling.blocksOf(stream)];
    if (from > 1) skip.push([1, from - 1]);
    skip.push([released + 1, Number.MAX_SAFE_INTEGER]);
    const blocks = await this.vault.outbox.peek(stream, order, normalise(skip), BULK_FRAME_BYTES / this.ratio);
    // Acknowledgements may have come while the vault was read.
    const settled = this.settling.blocksOf(stream);
    return settled.length === 0 ? blocks : blocks.filter(({ number }) => !contains(settled, number));
  }

  private ship(blocks: readonly Block[]): boolean {
    const { stream, number: first } = blocks[0];
    const grants = this.outgoing.grants;
    const cleared = blocks.map((block) => ({
      number: block.number,
      body:
        withoutRefused(this.nameOf, grants, block, (reason) => {
          this.settling.unreadable(stream, block.number);
          this.complain(reason);
        }) ?? block.body,
    }));
    const raw = cleared.reduce((sum, { body }) => sum + body.length, 0);
    const live = first >= (this.streams.get(stream)?.liveFrom ?? 1);
    const bytes = this.send('bulk', live ? 'live' : 'fill', encodeBody(blocksSchema, { blocks: cleared }), stream);
    if (bytes === undefined) return false;
    this.ratio = Math.min(2, Math.max(0.05, this.ratio + (bytes / Math.max(1, raw) - this.ratio) / 4));
    this.frames++;
    const numbers = cleared.map(({ number }) => number);
    const lost = this.lost.get(stream) ?? [];
    const again = numbers.some((number) => contains(lost, number));
    if (again) this.sentAgain++;
    this.flights.push({ stream, waiting: new Set(numbers), bytes, sentAt: this.clock.monotonic(), again });
    return true;
  }

  private underWayOf(stream: string): Range[] {
    const numbers: Range[] = [];
    for (const flight of this.flights) {
      if (flight.stream === stream) for (const number of flight.waiting) numbers.push([number, number]);
    }
    return numbers;
  }
}

/** Names before numbers, coarse before fine: the whole gap is visible first. */
export function byUrgency(a: string, b: string): number {
  return coarseness(b) - coarseness(a);
}

function coarseness(stream: string): number {
  return stream === CATALOGUE_STREAM ? Infinity : (resolutionOf(stream) ?? 0);
}
