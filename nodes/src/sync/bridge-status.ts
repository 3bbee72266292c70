import type { Clock } from '../node/clock.ts';
import { reasonOf } from '../node/errors.ts';
import { FrameError } from './frame-error.ts';
import type { Nack } from './messages.ts';
import { SyncProgress, progressText, type Progress, type Remaining } from './sync-progress.ts';
import type { StreamBacklog } from '../vault/vault.ts';

/** What a bridge says of itself; times are epoch milliseconds. */
export interface BridgeStatus {
  state: 'offline' | 'connecting' | 'syncing' | 'up-to-date' | 'conflict' | 'error';
  since: number;
  /** Why it is offline, still connecting, in error, or what is in conflict. */
  reason?: string;
  blocksWaiting: number;
  bytesWaiting: number;
  alertsWaiting: number;
  /** Blocks that an earlier incarnation of this vault sealed, and that the cloud does not have yet as far as is known. */
  orphansWaiting: number;
  /** While syncing: blocks acknowledged of those that waited since it began. */
  progress?: Progress;
  /** Until what waited may be sent, where the cloud lets gateways that come back begin one after the other, milliseconds. */
  turnInMs?: number;
  /** Frames from the broker that were not the cloud's, by the code of the refusal, and the newest reason. */
  refused: number;
  refusedKinds: Readonly<Record<string, number>>;
  refusedReason?: string;
  /** What the cloud did not take, by the code of its NACK, and the newest reason. */
  rejected: Readonly<Record<string, number>>;
  rejectedReason?: string;
  framesSent: number;
  bytesSent: number;
  /** Frames of blocks among them that held a block which had been sent before. */
  framesAgain: number;
  /** Smoothed time from sending to the cloud's acknowledgement; 0 before the first. */
  latencyMs: number;
}

/** `12:04` in the machine's time zone; with the date when `now` is another day. Both in epoch milliseconds. */
export function timeText(time: number, now: number): string {
  const then = new Date(time);
  const clock = then.toTimeString().slice(0, 5);
  if (then.toDateString() === new Date(now).toDateString()) return clock;
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${clock}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}

/** One short line for under the node. `clockText` writes a time of day. */
export function statusText(status: BridgeStatus, clockText: (time: number) => string): string {
  const { state, since, reason, blocksWaiting, alertsWaiting, progress, turnInMs } = status;
  const waits = waiting(blocksWaiting, alertsWaiting);
  if (state === 'error') return reason ?? 'error';
  if (state === 'offline') return `offline since ${clockText(since)}${waits}`;
  if (state === 'connecting') return `connecting since ${clockText(since)}${waits}`;
  if (state === 'syncing' && turnInMs !== undefined) return `syncing in ${turnText(turnInMs)}, its turn among many`;
  if (state === 'syncing' && progress !== undefined) return `syncing ${progressText(progress)}`;
  if (state === 'conflict') return `conflict: ${reason ?? 'the cloud holds something else'}`;
  return state === 'syncing' ? 'syncing' : 'up to date';
}

function waiting(blocks: number, alerts: number): string {
  const parts: string[] = [];
  if (alerts > 0) parts.push(`${count(alerts)} ${alerts === 1 ? 'alert' : 'alerts'}`);
  if (blocks > 0) parts.push(`${count(blocks)} ${blocks === 1 ? 'block' : 'blocks'}`);
  if (parts.length === 0) return '';
  return `, ${parts.join(' and ')} ${alerts + blocks === 1 ? 'waits' : 'wait'}`;
}

const turnText = (ms: number): string => (ms < 60_000 ? `${Math.ceil(ms / 1_000)} s` : `${Math.ceil(ms / 60_000)} min`);

function count(number: number): string {
  return number.toLocaleString('en-US');
}

/** `waiting` counts what may be sent by now; `conflict` says what the two ends hold differently, which a person has to look into. */
export function stateOf(
  error: string | undefined,
  connected: boolean,
  welcomed: boolean,
  waiting: number,
  conflict?: string,
): BridgeStatus['state'] {
  if (error !== undefined) return 'error';
  if (!connected) return 'offline';
  if (!welcomed) return 'connecting';
  if (waiting > 0) return 'syncing';
  return conflict === undefined ? 'up-to-date' : 'conflict';
}

interface Measured {
  /** Blocks that may be sent now. */
  remaining: Remaining;
  backlog: readonly StreamBacklog[];
  orphansWaiting: number;
  alertsWaiting: number;
  turnInMs: number;
  latencyMs: number;
  framesAgain: number;
}

class Tally {
  total = 0;
  reason: string | undefined;
  readonly kinds: Record<string, number> = {};

  count(kind: string, reason: string): void {
    this.total++;
    this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
    this.reason = reason;
  }
}

/** Counts, and remembers since when things are as they are. */
export class StatusKeeper {
  private readonly clock: Clock;
  private state: BridgeStatus['state'] = 'offline';
  private since: number;
  private readonly progress: SyncProgress;
  private readonly refusals = new Tally();
  private readonly rejections = new Tally();
  private framesSent = 0;
  private bytesSent = 0;

  constructor(clock: Clock) {
    this.clock = clock;
    this.since = clock.now();
    this.progress = new SyncProgress(clock);
  }

  /** Something in a frame, or that should go into one. */
  refused(reason: string): void {
    this.refusals.count('content', reason);
  }

  /** A frame that did not open. */
  failed(error: unknown): void {
    this.refusals.count(error instanceof FrameError ? error.code : 'content', reasonOf(error));
  }

  /** An answer to somebody else. */
  stranger(what: string): void {
    const reason = `${what} for no HELLO of this process: a late one, or another copy of this gateway runs`;
    this.refusals.count('stranger', reason);
  }

  /** The cloud sent a NACK. */
  rejected({ code, reason }: Nack): void {
    this.rejections.count(code, reason);
  }

  sent(bytes: number): void {
    this.framesSent++;
    this.bytesSent += bytes;
  }

  status(state: BridgeStatus['state'], reason: string, measured: Measured): BridgeStatus {
    const { remaining, backlog, alertsWaiting, orphansWaiting, turnInMs, latencyMs, framesAgain } = measured;
    if (state !== this.state) {
      this.state = state;
      this.since = this.clock.now();
    }
    const progress = this.progress.observe(remaining);
    return {
      state,
      since: this.since,
      ...(state === 'syncing' || state === 'up-to-date' ? {} : { reason }),
      blocksWaiting: backlog.reduce((sum, { count }) => sum + count, 0),
      bytesWaiting: backlog.reduce((sum, { bytes }) => sum + bytes, 0),
      alertsWaiting,
      orphansWaiting,
      ...(state === 'syncing' && progress !== undefined ? { progress } : {}),
      ...(state === 'syncing' && turnInMs > 0 ? { turnInMs } : {}),
      refused: this.refusals.total,
      refusedKinds: { ...this.refusals.kinds },
      ...(this.refusals.reason === undefined ? {} : { refusedReason: this.refusals.reason }),
      rejected: { ...this.rejections.kinds },
      ...(this.rejections.reason === undefined ? {} : { rejectedReason: this.rejections.reason }),
      framesSent: this.framesSent,
      bytesSent: this.bytesSent,
      framesAgain,
      latencyMs,
    };
  }
}
