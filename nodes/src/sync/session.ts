import type { Clock } from '../node/clock.ts';
import type { QueuedAlert } from '../vault/vault.ts';
import { decodeBody, encodeBody } from './body.ts';
import { StatusKeeper, stateOf, type BridgeStatus } from './bridge-status.ts';
import { FrameEnd } from './frame-end.ts';
import { Greeting, type GreetingParts } from './greeting.ts';
import { Lanes } from './lanes.ts';
import {
  nack,
  stateDown,
  stateUp,
  welcome,
  type FrameType,
  type Nack,
  type StateDown,
  type Welcome,
} from './messages.ts';
import { OutboxView } from './outbox-view.ts';
import { Receipts } from './receipts.ts';
import { Settling } from './settling.ts';
import { remainingOf } from './sync-progress.ts';
import type { Lane, Transport } from './transport.ts';
import { Uplink } from './uplink.ts';
import { Work } from './work.ts';

export interface SessionParts extends GreetingParts {
  transport: Transport;
  /** Blocks are sent in batches at this interval, milliseconds; alerts never wait. */
  intervalMs: number;
  /** Called when a step is due because of something that ended within the session. */
  wake: () => void;
}

/** So many time-outs in a row, and the cloud is asked whether it is still there. */
const SILENT_AFTER = 3;

/**
 * The gateway's end of the tide protocol as a step machine: no socket and no timer of its own. The owner reports what
 * happens (`connected`, `received`, …) and calls `step` after it and at `nextWake`.
 */
export class Session {
  private readonly parts: SessionParts;
  private readonly clock: Clock;
  private readonly frames: FrameEnd;
  private readonly settling: Settling;
  private readonly greeting: Greeting;
  private readonly uplink: Uplink;
  private readonly lanes: Lanes;
  private readonly receipts: Receipts;
  private readonly outbox: OutboxView;
  private readonly keeper: StatusKeeper;
  private readonly work: Work;
  private releaseAt = Infinity;
  private timeouts = 0;
  private stepping: Promise<void> | undefined;
  private again = false;

  constructor(parts: SessionParts) {
    const { clock, vault, outgoing, enrolment, random, transport } = parts;
    this.parts = parts;
    this.clock = clock;
    this.outbox = new OutboxView(clock, vault);
    this.settling = new Settling(clock, vault, () => {
      this.outbox.blocksChanged();
      this.outbox.alertsChanged();
      parts.wake();
    });
    this.work = new Work(clock, parts.wake);
    const keeper = new StatusKeeper(clock);
    const frames = new FrameEnd(clock, enrolment, vault.incarnation);
    const greeting = new Greeting(parts);
    const { settling } = this;
    const complain = (reason: string): void => keeper.refused(reason);
    this.uplink = new Uplink({ transport, frames, greeting, keeper });
    const lanes = new Lanes({ clock, vault, outgoing, settling, send: this.uplink.send, complain }, random);
    this.receipts = new Receipts({ clock, random, lanes, settling, complain });
    this.keeper = keeper;
    this.frames = frames;
    this.greeting = greeting;
    this.lanes = lanes;
  }

  /** A lane's connection is there (the bulk lane's subscription too). */
  connected(lane: Lane): void {
    this.uplink.up[lane] = true;
    if (lane === 'alert') this.lanes.alerts.wake();
    else this.greeting.handshake.ask('waiting for the cloud to answer');
  }

  /** `fault`: a person has to set something right before there can be a connection. */
  disconnected(lane: Lane, reason: string, fault = false): void {
    this.uplink.up[lane] = false;
    this.lanes.alerts.reset();
    if (lane === 'alert') return;
    this.greeting.handshake.disconnected(reason, fault);
    this.lanes.resetBulk();
  }

  /** An alert has just been committed to the outbox: it goes out without being read back. */
  alertCommitted(alert: QueuedAlert): void {
    this.outbox.alertsChanged();
    this.lanes.alerts.offer(alert);
  }

  /** The outbox, the grants or the declared gaps changed. */
  outboxChanged(kind: 'block' | 'alert' | 'grants' | 'gap'): void {
    const { outbox, lanes } = this;
    if (kind === 'gap' || kind === 'grants') lanes.gaps.changed();
    if (kind === 'gap') return;
    outbox.blocksChanged();
    if (kind === 'alert') {
      lanes.alerts.wake();
      outbox.alertsChanged();
    }
    if (kind === 'grants') {
      lanes.alerts.grantsChanged();
      lanes.orphans.reset();
    }
  }

  /** Sends what has been sealed without waiting for the interval to end. */
  releaseNow(): void {
    this.releaseAt = Math.min(this.releaseAt, this.clock.monotonic());
  }

  /** A frame came in on one of this gateway's topics. */
  received(topic: string, frame: Uint8Array): void {
    try {
      const { type, body, earlier } = this.frames.open(topic, frame);
      if (earlier === undefined) this.take(type, body);
      else if (this.receipts.earlier(type, body, earlier)) this.timeouts = 0;
    } catch (error) {
      this.keeper.failed(error);
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
    if (this.work.trouble !== undefined) return this.work.retryAt;
    const { up } = this.uplink;
    const { handshake } = this.greeting;
    return Math.min(
      this.releaseAt,
      this.settling.nextWake(),
      this.outbox.nextWake(),
      up.bulk ? handshake.due() : Infinity,
      this.lanes.nextWake(handshake, up.alert || up.bulk),
    );
  }

  /** Waits for what is under way and stores the acknowledgements that have come. */
  async close(): Promise<void> {
    await this.stepping;
    await this.work.ended();
    await this.settling.close();
  }

  status(): BridgeStatus {
    const { blocks, orphans } = this.lanes;
    const { own: backlog, alertsWaiting } = this.outbox;
    const remaining = remainingOf(backlog, (stream) => blocks.releasedOf(stream));
    const { halted, fault, welcomed, reason } = this.greeting.handshake;
    const error = halted ?? fault ?? this.work.trouble ?? this.settling.trouble;
    const waiting = remaining.coarse + remaining.fine + alertsWaiting;
    const { conflict } = this.lanes.accounts;
    const state = stateOf(error, this.uplink.up.bulk, welcomed, waiting, conflict);
    return this.keeper.status(state, error ?? (state === 'conflict' ? conflict : undefined) ?? reason, {
      remaining,
      backlog,
      alertsWaiting,
      orphansWaiting: orphans.waiting,
      turnInMs: blocks.turnInMs,
      latencyMs: blocks.latencyMs,
      framesAgain: blocks.framesAgain,
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
      this.work.failed(error);
    }
  }

  private async once(): Promise<void> {
    const { clock, lanes, outbox } = this;
    const { handshake } = this.greeting;
    if (this.work.trouble !== undefined && clock.monotonic() < this.work.retryAt) return;
    const all = await outbox.look();
    if (all !== undefined) {
      lanes.observe(outbox.own, all);
      this.frames.admit(lanes.orphans.incarnations);
    }
    const now = clock.monotonic();
    if (now >= this.releaseAt) {
      lanes.blocks.release();
      this.releaseAt = now + this.parts.intervalMs;
    }
    if (this.uplink.up.bulk && now >= handshake.due()) await this.sayHello();
    await lanes.step(handshake, () => {
      if (++this.timeouts >= SILENT_AFTER) this.silent();
    });
    this.work.trouble = undefined;
    this.settling.step();
  }

  private silent(): void {
    this.timeouts = 0;
    this.lanes.blocks.reset();
    this.greeting.handshake.ask('the broker is there, the cloud does not answer');
    this.again = true;
  }

  private async sayHello(): Promise<void> {
    this.uplink.send('bulk', 'hello', await this.greeting.hello());
    if (this.greeting.handshake.said()) this.silent();
  }

  private take(type: FrameType, body: Uint8Array): void {
    if (type === 'welcome') {
      const message = decodeBody(welcome, body);
      if (this.greeting.isOurs(message.answers)) this.work.later(() => this.welcome(message));
      else this.stranger();
    } else if (type === 'ack') {
      const alerts = this.receipts.acknowledged(body);
      this.timeouts = 0;
      if (alerts) this.outbox.alertsChanged();
    } else if (type === 'nack') {
      this.refused(decodeBody(nack, body));
    } else if (type === 'state') {
      const { documents } = decodeBody(stateDown, body);
      this.work.later(() => this.apply(documents));
    }
  }

  private async welcome(message: Welcome): Promise<void> {
    const { greeting, lanes } = this;
    const judged = await greeting.judge(message);
    if ('ahead' in judged) return this.giveWay(judged.ahead);
    if (!this.uplink.up.bulk) return;
    if (greeting.welcomed(message)) {
      this.timeouts = 0;
      this.releaseAt = this.clock.monotonic() + this.parts.intervalMs;
      lanes.blocks.begin(judged.backlog, message);
      lanes.alerts.wake();
      lanes.accounts.begin();
    }
    this.receipts.held(message.streams);
    await greeting.repeatNames(message, judged.backlog);
    this.outbox.blocksChanged();
  }

  /** It may be a late answer to this gateway before it started anew; or a copy of it is welcome under our name. */
  private stranger(): void {
    this.keeper.stranger('a welcome');
    this.greeting.handshake.soon();
  }

  private refused(message: Nack): void {
    const { code, answers } = message;
    if ((code === 'fenced' || code === 'unknown') && !this.greeting.isOurs(answers))
      return this.keeper.stranger('a refusal');
    this.keeper.rejected(message);
    const halted = this.receipts.refused(message);
    if (halted === undefined) return;
    if (code === 'fenced') this.work.later(() => this.giveWay(halted));
    else this.halt(halted);
  }

  /** Nothing more goes out under this incarnation, and what is here stays. */
  private async giveWay(reason: string): Promise<void> {
    this.halt(`${reason}. What waits is kept; once this gateway is started anew, it goes on under a new incarnation`);
    await this.greeting.giveWay();
  }

  private async apply(documents: StateDown['documents']): Promise<void> {
    const { stamps, refused } = await this.parts.state.apply(documents, this.greeting.bestTime());
    for (const { key, reason } of refused) this.keeper.refused(`document ${key}: ${reason}`);
    this.uplink.send('bulk', 'state', encodeBody(stateUp, { applied: stamps }));
  }

  private halt(reason: string): void {
    this.greeting.handshake.halt(reason);
    this.lanes.reset();
  }
}
