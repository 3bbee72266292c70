import type { Clock } from '../node/clock.ts';
import { Backoff } from './backoff.ts';

const HELLO = { floorMs: 1_000, firstMs: 5_000, capMs: 60_000 };
/** After a refusal that only a person can resolve, the cloud is asked again at this pace. */
const HALTED = { floorMs: 60_000, firstMs: 120_000, capMs: 300_000 };
/** Without any frame for so long, HELLO says that the gateway is alive. */
const HEARTBEAT_MS = 60_000;
/** However busy the link is: a copy of this gateway is found out by its HELLO and ours. */
const HELLO_EVERY_MS = 300_000;
/** HELLOs that something else asks for are this far apart. */
const APART_MS = 10_000;
/** So many HELLOs without an answer, and the cloud behind the broker counts as gone. */
const SILENT_AFTER = 3;

/** When HELLO is due, and whether the cloud has answered it. All times are monotonic milliseconds. */
export class Handshake {
  /** The cloud has answered on this connection: it knows us, and said what it holds. */
  welcomed = false;
  /** What a person has to resolve before anything is sent again. */
  halted: string | undefined;
  /** Why there is no welcome. */
  reason = 'not connected yet';
  /** What a person has to set right before there can be a connection. */
  fault: string | undefined;
  private readonly clock: Clock;
  private readonly backoff: Backoff;
  private readonly haltedBackoff: Backoff;
  private at = Infinity;
  private unanswered = 0;
  private lastSent = -Infinity;
  private lastHello = -Infinity;
  private early = Infinity;

  constructor(clock: Clock, random: () => number) {
    this.clock = clock;
    this.backoff = new Backoff(random, HELLO);
    this.haltedBackoff = new Backoff(random, HALTED);
  }

  /** There is a connection, or the cloud fell silent on it: ask, now. */
  ask(reason: string): void {
    this.welcomed = false;
    this.unanswered = 0;
    this.reason = reason;
    this.fault = undefined;
    this.backoff.reset();
    this.at = this.clock.monotonic();
  }

  disconnected(reason: string, fault = false): void {
    this.welcomed = false;
    this.reason = reason;
    this.fault = fault ? reason : undefined;
    this.early = Infinity;
    this.at = Infinity;
  }

  halt(reason: string): void {
    this.welcomed = false;
    this.halted = reason;
    this.early = Infinity;
    this.at = this.clock.monotonic() + this.haltedBackoff.next();
  }

  /** Any frame was sent: no heartbeat is needed for a while. */
  sent(): void {
    this.lastSent = this.clock.monotonic();
  }

  /** Somebody else is welcome under our name: HELLO soon, whoever has the newer ticket goes on. */
  soon(): void {
    if (this.halted === undefined) this.early = Math.max(this.clock.monotonic(), this.lastHello + APART_MS);
  }

  /** HELLO was sent. True when so many went unanswered that a welcome no longer counts. */
  said(): boolean {
    const backoff = this.halted === undefined ? this.backoff : this.haltedBackoff;
    this.at = this.clock.monotonic() + backoff.next();
    this.lastHello = this.clock.monotonic();
    this.early = Infinity;
    this.unanswered++;
    return this.welcomed && this.unanswered > SILENT_AFTER;
  }

  /** WELCOME came. True when a session begins with it, false when it answers a heartbeat. */
  answered(): boolean {
    const begins = !this.welcomed;
    this.welcomed = true;
    this.halted = undefined;
    this.unanswered = 0;
    this.haltedBackoff.reset();
    return begins;
  }

  /** When HELLO is due; only while there is a connection. */
  due(): number {
    const usual =
      this.welcomed && this.unanswered === 0
        ? Math.min(this.lastSent + HEARTBEAT_MS, this.lastHello + HELLO_EVERY_MS)
        : this.at;
    return Math.min(usual, this.early);
  }
}
