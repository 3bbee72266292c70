import type { Clock } from '../node/clock.ts';
import { GAP_COUNTER, GAPS, gapSchema } from '../vault/gaps.ts';
import type { Vault } from '../vault/vault.ts';
import { encodeBody } from './body.ts';
import { gapForCloud } from './gap-wire.ts';
import type { LaneParts } from './lane-parts.ts';
import { MAX_GAPS_PER_FRAME, event, type WireGap } from './messages.ts';
import type { Outgoing } from './outgoing.ts';
import { GAPS_TOLD, type Settling } from './settling.ts';
import type { SendBody } from './transport.ts';

/** After a frame without an answer; doubled each time. A cloud of an older version never answers. */
const FIRST_TIMEOUT_MS = 5_000;
const LAST_TIMEOUT_MS = 600_000;
/** The engine declares gaps in commits of its own, of which nobody is told: the counter is looked at so often. */
const LOOK_EVERY_MS = 60_000;

/** Tells the cloud what the gateway gave up or lost, again and again until its database has it; one frame at a time. */
export class GapLane {
  private readonly clock: Clock;
  private readonly vault: Vault;
  private readonly outgoing: Outgoing;
  private readonly settling: Settling;
  private readonly send: SendBody;
  /** What is to be told, by id; undefined until it has been read. */
  private pending: Map<number, WireGap> | undefined;
  private counter: unknown;
  private lookAt = -Infinity;
  /** `last` of each gap in the frame under way. */
  private readonly underWay = new Map<number, number>();
  private timeoutAt = Infinity;
  private timeoutMs = FIRST_TIMEOUT_MS;
  /** What the cloud acknowledged in this process; the documents say so a little later. */
  private readonly told = new Map<number, number>();

  constructor({ clock, vault, outgoing, settling, send }: LaneParts) {
    this.clock = clock;
    this.vault = vault;
    this.outgoing = outgoing;
    this.settling = settling;
    this.send = send;
  }

  /** Gaps or grants have changed. */
  changed(): void {
    this.pending = undefined;
  }

  reset(): void {
    this.underWay.clear();
    this.timeoutAt = Infinity;
    this.timeoutMs = FIRST_TIMEOUT_MS;
    this.lookAt = -Infinity;
  }

  async step(): Promise<void> {
    const now = this.clock.monotonic();
    if (now >= this.timeoutAt) {
      this.underWay.clear();
      this.timeoutAt = Infinity;
      this.timeoutMs = Math.min(LAST_TIMEOUT_MS, this.timeoutMs * 2);
    }
    if (now >= this.lookAt) {
      this.lookAt = now + LOOK_EVERY_MS;
      const counter = await this.vault.documents.get(GAP_COUNTER.namespace, GAP_COUNTER.key);
      if (counter !== this.counter) this.pending = undefined;
      this.counter = counter;
    }
    if (this.underWay.size > 0) return;
    this.pending ??= await this.read();
    if (this.pending.size > 0) this.ship([...this.pending.values()].slice(0, MAX_GAPS_PER_FRAME));
  }

  acknowledged(gaps: readonly (readonly [id: number, last: number])[]): void {
    this.timeoutMs = FIRST_TIMEOUT_MS;
    this.settling.gaps(gaps);
    for (const [id, last] of gaps) {
      this.told.set(id, Math.max(last, this.told.get(id) ?? 0));
      // One that has grown since it was sent is told again.
      if (this.pending?.get(id)?.last === last) this.pending.delete(id);
      if (this.underWay.get(id) === last) this.underWay.delete(id);
    }
    if (this.underWay.size === 0) this.timeoutAt = Infinity;
  }

  /** When there is something to do next, monotonic. */
  nextWake(): number {
    if (this.underWay.size > 0) return Math.min(this.timeoutAt, this.lookAt);
    return this.pending === undefined ? this.clock.monotonic() : this.lookAt;
  }

  private async read(): Promise<Map<number, WireGap>> {
    const { documents, series } = this.vault;
    const [gaps, told] = await Promise.all([documents.list(GAPS), documents.list(GAPS_TOLD)]);
    const known = new Map(told.map(({ key, value }) => [Number(key), Number(value)]));
    for (const [id, last] of this.told) known.set(id, Math.max(last, known.get(id) ?? 0));
    const pending = new Map<number, WireGap>();
    for (const { value } of gaps) {
      const gap = gapSchema.parse(value);
      const { id, last } = gap;
      const told = known.get(id);
      known.delete(id);
      if (told !== undefined && told >= last) continue;
      const wire = gapForCloud(gap, this.outgoing.grants, series);
      if (wire !== undefined) pending.set(id, wire);
    }
    // What is left over has become part of a wider gap.
    this.settling.gaps(told.flatMap(({ key }) => (known.has(Number(key)) ? [[Number(key), undefined] as const] : [])));
    return pending;
  }

  private ship(gaps: readonly WireGap[]): void {
    if (this.send('bulk', 'event', encodeBody(event, { gaps: [...gaps] })) === undefined) {
      this.timeoutAt = Infinity;
      this.lookAt = Math.min(this.lookAt, this.clock.monotonic() + FIRST_TIMEOUT_MS);
      return;
    }
    for (const { id, last } of gaps) this.underWay.set(id, last);
    this.timeoutAt = this.clock.monotonic() + this.timeoutMs;
  }
}
