import type { Clock } from '../node/clock.ts';
import { reasonOf } from '../node/errors.ts';
import type { SharedState } from '../state/shared-state.ts';
import { orphanOf } from '../vault/orphans.ts';
import type { QueuedAlert, StreamBacklog, Vault } from '../vault/vault.ts';
import { AlertLane } from './alert-lane.ts';
import { Backoff } from './backoff.ts';
import { BlockLane } from './block-lane.ts';
import { decodeBody, encodeBody } from './body.ts';
import { StatusKeeper, stateOf, type BridgeStatus } from './bridge-status.ts';
import { putEnrolment, withoutSecret, type Enrolment } from './enrolment-store.ts';
import { FrameEnd } from './frame-end.ts';
import { GapLane } from './gap-lane.ts';
import { Handshake } from './handshake.ts';
import { helloBody, lostNames, sealedBeyond } from './hello.ts';
import { ack, nack, stateDown, stateUp, welcome, type FrameType, type Nack, type Welcome } from './messages.ts';
import { OrphanLane } from './orphan-lane.ts';
import type { Outgoing } from './outgoing.ts';
import { Settling } from './settling.ts';
import type { Lane, Transport } from './transport.ts';

export interface SessionParts {
  vault: Vault;
  outgoing: Outgoing;
  state: SharedState;
  enrolment: Enrolment;
  transport: Transport;
  clock: Clock;
  /** Numbers in 0..1, for jitter. */
  random: () => number;
  /** Blocks are sent in batches at this interval, milliseconds; alerts never wait. */
  intervalMs: number;
  /** Told of the cloud's time at each welcome, epoch milliseconds: evidence for the gateway's own clock. */
  cloudTime?: (time: number) => void;
  /** Called when a step is due because of something that ended within the session. */
  wake: () => void;
}

const HOLD = { floorMs: 500, firstMs: 5_000, capMs: 60_000 };
/** So many time-outs in a row, and the cloud is asked whether it is still there. */
const SILENT_AFTER = 3;
const COUNT_EVERY_MS = 250;
/** After a failure of the vault. */
const RETRY_MS = 5_000;

const REFUSALS = {
  upgrade: 'the cloud is too old for this gateway',
  fenced: 'another copy of this gateway is running',
  unknown: 'the cloud does not know this gateway',
} as const;

/**
 * The gateway's end of the tide protocol as a step machine: no socket and no timer of its own. The owner reports what
 * happens (`connected`, `received`, …) and calls `step` after it and at `nextWake`.
 */
export class Session {
  private readonly parts: SessionParts;
  private readonly frames: FrameEnd;
  private readonly settling: Settling;
  private readonly alerts: AlertLane;
  private readonly blocks: BlockLane;
  private readonly gaps: GapLane;
  private readonly orphans: OrphanLane;
  private readonly handshake: Handshake;
  private readonly holdBackoff: Backoff;
  private readonly lanes = { alert: false, bulk: false };
  private readonly keeper: StatusKeeper;
  private enrolment: Enrolment;
  /** What went wrong with the vault, until it goes right again. */
  private trouble: string | undefined;
  private releaseAt = Infinity;
  private timeouts = 0;
  private backlog: readonly StreamBacklog[] = [];
  private backlogChanged = true;
  private alertsWaiting = 0;
  /** Alerts that wait are counted when something changed, and not too often. */
  private countAt = -Infinity;
  private countedAt = -Infinity;
  /** The cloud's time less our monotonic time, once it is known. */
  private cloudOffset = -Infinity;
  private namesRepeated = false;
  private retryAt = -Infinity;
  private work: Promise<void> = Promise.resolve();
  private stepping: Promise<void> | undefined;
  private again = false;

  constructor(parts: SessionParts) {
    const { clock, vault, outgoing, enrolment, random } = parts;
    this.parts = parts;
    this.enrolment = enrolment;
    this.frames = new FrameEnd(clock, enrolment, vault.incarnation);
    this.settling = new Settling(clock, vault, () => {
      this.backlogChanged = true;
      this.countSoon();
      parts.wake();
    });
    const send = this.send.bind(this);
    const complain = (reason: string): void => this.keeper.refused(reason);
    const lane = { clock, vault, outgoing, settling: this.settling, send, complain };
    this.alerts = new AlertLane(lane);
    this.blocks = new BlockLane(lane);
    this.gaps = new GapLane(lane);
    this.orphans = new OrphanLane(lane, random);
    this.handshake = new Handshake(clock, random);
    this.holdBackoff = new Backoff(random, HOLD);
    this.keeper = new StatusKeeper(clock);
  }

  /** A lane's connection is there (the bulk lane's subscription too). */
  connected(lane: Lane): void {
    this.lanes[lane] = true;
    if (lane === 'alert') this.alerts.wake();
    else this.handshake.ask('waiting for the cloud to answer');
  }

  disconnected(lane: Lane, reason: string): void {
    this.lanes[lane] = false;
    this.alerts.reset();
    if (lane === 'alert') return;
    this.handshake.disconnected(reason);
    this.blocks.reset();
    this.gaps.reset();
    this.orphans.reset();
  }

  /** An alert has just been committed to the outbox: it goes out without being read back. */
  alertCommitted(alert: QueuedAlert): void {
    this.countSoon();
    this.alerts.offer(alert);
  }

  /** The outbox, the grants or the declared gaps changed. */
  outboxChanged(kind: 'block' | 'alert' | 'grants' | 'gap'): void {
    if (kind === 'gap' || kind === 'grants') this.gaps.changed();
    if (kind === 'gap') return;
    this.backlogChanged = true;
    if (kind === 'alert') {
      this.alerts.wake();
      this.countSoon();
    }
    if (kind === 'grants') {
      this.alerts.grantsChanged();
      this.orphans.reset();
    }
  }

  /** Sends what has been sealed without waiting for the interval to end. */
  releaseNow(): void {
    this.releaseAt = Math.min(this.releaseAt, this.parts.clock.monotonic());
  }

  /** A frame came in on one of this gateway's topics. */
  received(topic: string, frame: Uint8Array): void {
    try {
      const { type, body, earlier } = this.frames.open(topic, frame);
      if (earlier === undefined) this.take(type, body);
      else this.takeEarlier(type, body, earlier);
    } catch (error) {
      this.keeper.refused(reasonOf(error));
    }
  }

  /** Does whatever can be done now. Calls while one is under way make it go round once more. */
  step(): Promise<void> {
    this.again = true;
    this.stepping ??= this.steps();
    return this.stepping;
  }

  /** When to call `step` next even if nothing happens, monotonic milliseconds. */
  nextWake(): number {
    if (this.trouble !== undefined) return this.retryAt;
    const times = [this.releaseAt, this.settling.nextWake(), this.countAt];
    if (this.lanes.bulk) times.push(this.handshake.due());
    if (this.handshake.welcomed) times.push(this.blocks.nextWake(), this.gaps.nextWake());
    if (this.handshake.welcomed && this.blocks.idle) times.push(this.orphans.nextWake());
    if (this.handshake.halted === undefined && (this.lanes.alert || this.lanes.bulk))
      times.push(this.alerts.nextWake());
    return Math.min(...times);
  }

  /** Waits for what is under way and stores the acknowledgements that have come. */
  async close(): Promise<void> {
    await this.stepping;
    await this.work;
    await this.settling.close();
  }

  status(): BridgeStatus {
    const remaining = this.backlog.reduce((sum, backlog) => sum + this.blocks.releasedOf(backlog), 0);
    const { halted, welcomed, reason } = this.handshake;
    const error = halted ?? this.trouble ?? this.settling.trouble;
    const state = stateOf(error, this.lanes.bulk, welcomed, remaining + this.alertsWaiting);
    return this.keeper.status(state, error ?? reason, {
      remaining,
      backlog: this.backlog,
      alertsWaiting: this.alertsWaiting,
      orphansWaiting: this.orphans.waiting,
      latencyMs: this.blocks.latencyMs,
    });
  }

  private async steps(): Promise<void> {
    try {
      while (this.again) {
        this.again = false;
        await this.once();
      }
      this.stepping = undefined;
    } catch (error) {
      this.stepping = undefined;
      this.failed(error);
    }
  }

  private async once(): Promise<void> {
    const { clock, vault, intervalMs } = this.parts;
    if (this.trouble !== undefined && clock.monotonic() < this.retryAt) return;
    if (this.backlogChanged) {
      this.backlogChanged = false;
      const all = await vault.outbox.streams();
      this.backlog = all.filter(isOwn);
      this.blocks.observe(this.backlog);
      this.orphans.observe(all);
      this.frames.admit(this.orphans.incarnations);
    }
    const now = clock.monotonic();
    if (now >= this.countAt) {
      this.countedAt = now;
      this.countAt = Infinity;
      this.alertsWaiting = (await vault.stats()).alertsWaiting;
    }
    if (now >= this.releaseAt) {
      this.blocks.release();
      this.releaseAt = now + intervalMs;
    }
    if (this.lanes.bulk && now >= this.handshake.due()) await this.sayHello();
    if (this.handshake.halted === undefined) {
      await this.alerts.step();
      if (this.handshake.welcomed && (await this.blocks.step()) && ++this.timeouts >= SILENT_AFTER) this.silent();
      if (this.handshake.welcomed) await this.gaps.step();
      if (this.handshake.welcomed && this.blocks.idle) await this.orphans.step();
    }
    this.trouble = undefined;
    this.settling.step();
  }

  private countSoon(): void {
    this.countAt = Math.min(this.countAt, Math.max(this.countedAt + COUNT_EVERY_MS, this.parts.clock.monotonic()));
  }

  private silent(): void {
    this.timeouts = 0;
    this.blocks.reset();
    this.handshake.ask('the broker is there, the cloud does not answer');
    this.again = true;
  }

  private async sayHello(): Promise<void> {
    const { vault, state } = this.parts;
    const backlog = (await vault.outbox.streams()).filter(isOwn);
    this.send('bulk', 'hello', helloBody(this.enrolment, backlog, state.stamps()));
    if (this.handshake.said()) this.silent();
  }

  private take(type: FrameType, body: Uint8Array): void {
    if (type === 'welcome') {
      const message = decodeBody(welcome, body);
      this.later(() => this.welcome(message));
    } else if (type === 'ack') {
      const { streams, alerts, gaps, conflicts } = decodeBody(ack, body);
      this.timeouts = 0;
      this.holdBackoff.reset();
      this.alerts.acknowledged(alerts);
      for (const [stream, ranges] of Object.entries(streams)) {
        this.blocks.acknowledged(stream, ranges);
        this.settling.blocks(stream, ranges);
      }
      for (const [stream, ranges] of Object.entries(conflicts ?? {})) {
        this.settling.conflicts(stream, ranges);
        this.keeper.refused(`the cloud holds other bytes under blocks of ${stream}, and keeps those`);
      }
      if (gaps !== undefined) this.gaps.acknowledged(gaps);
      if (alerts.length > 0) this.countSoon();
    } else if (type === 'nack') {
      this.refused(decodeBody(nack, body));
    } else if (type === 'state') {
      const { documents } = decodeBody(stateDown, body);
      this.later(async () => {
        const { stamps, refused } = await this.parts.state.apply(documents, this.bestTime());
        for (const { key, reason } of refused) this.keeper.refused(`document ${key}: ${reason}`);
        this.send('bulk', 'state', encodeBody(stateUp, { applied: stamps }));
      });
    }
  }

  /** What else comes under an earlier incarnation is meant for whoever writes under it. */
  private takeEarlier(type: FrameType, body: Uint8Array, incarnation: string): void {
    if (type === 'ack') {
      this.timeouts = 0;
      this.orphans.acknowledged(incarnation, decodeBody(ack, body));
    } else if (type === 'nack') {
      const { code, stream, blocks } = decodeBody(nack, body);
      if (code === 'poison' && stream !== undefined && blocks !== undefined)
        this.orphans.poisoned(incarnation, stream, blocks);
    }
  }

  private async welcome({ time, streams, credits }: Welcome): Promise<void> {
    const { vault, outgoing, clock, intervalMs } = this.parts;
    const backlog = (await vault.outbox.streams()).filter(isOwn);
    const ahead = sealedBeyond(streams, backlog);
    if (ahead !== undefined) {
      this.halt(ahead);
      return;
    }
    if (this.enrolment.tokenSecret !== undefined) {
      this.enrolment = withoutSecret(this.enrolment);
      await vault.commit([putEnrolment(this.enrolment)]);
    }
    if (!this.lanes.bulk) return;
    const now = clock.monotonic();
    this.cloudOffset = time - now;
    this.parts.cloudTime?.(time);
    if (this.handshake.answered()) {
      this.timeouts = 0;
      this.releaseAt = now + intervalMs;
      this.blocks.begin(backlog, credits);
      this.alerts.wake();
    }
    for (const [stream, ranges] of Object.entries(streams)) {
      this.blocks.acknowledged(stream, ranges);
      this.settling.blocks(stream, ranges);
    }
    if (!this.namesRepeated && lostNames(streams, backlog)) {
      this.namesRepeated = true;
      await outgoing.announceAgain();
    }
    this.backlogChanged = true;
  }

  private refused({ code, reason, stream, blocks }: Nack): void {
    if (code === 'retry') {
      this.blocks.hold(this.parts.clock.monotonic() + this.holdBackoff.next());
    } else if (code === 'poison') {
      this.keeper.refused(`the cloud cannot read blocks of ${stream ?? 'a stream'}: ${reason}`);
      if (stream === undefined || blocks === undefined) return;
      this.blocks.acknowledged(stream, blocks);
      this.settling.poison(stream, blocks);
    } else {
      this.halt(`${REFUSALS[code]}: ${reason}`);
    }
  }

  private halt(reason: string): void {
    this.handshake.halt(reason);
    this.alerts.reset();
    this.blocks.reset();
    this.gaps.reset();
    this.orphans.reset();
  }

  private send(lane: Lane, type: FrameType, body: Uint8Array, stream?: string, earlier?: string): number | undefined {
    // One connection is enough to send alerts; the other is there so that they wait behind nothing.
    const way = lane === 'alert' && !this.lanes.alert ? 'bulk' : lane;
    if (!this.lanes[way] || (type !== 'hello' && !this.maySend(type))) return undefined;
    const frame = this.frames.seal(type, body, stream, earlier);
    if (!this.parts.transport.send(way, type, frame)) return undefined;
    this.handshake.sent();
    this.keeper.sent(frame.length);
    return frame.length;
  }

  /** The cloud knows this gateway's keys once it has welcomed it, now or before; blocks wait until it says what it holds. */
  private maySend(type: FrameType): boolean {
    if (this.handshake.halted !== undefined) return false;
    return this.handshake.welcomed || (type === 'alert' && this.enrolment.tokenSecret === undefined);
  }

  /** A wrong clock at the gateway must not refuse what the cloud writes. */
  private bestTime(): number {
    const { clock } = this.parts;
    return Math.max(clock.now(), clock.monotonic() + this.cloudOffset);
  }

  private failed(error: unknown): void {
    this.trouble = reasonOf(error);
    this.retryAt = this.parts.clock.monotonic() + RETRY_MS;
    this.parts.wake();
  }

  /** Work that a frame asks for, one after the other, outside of the step. */
  private later(task: () => Promise<void>): void {
    this.work = this.work.then(task).then(
      () => this.parts.wake(),
      (error: unknown) => this.failed(error),
    );
  }
}

const isOwn = ({ stream }: StreamBacklog): boolean => orphanOf(stream) === undefined;
