/**
 * How much may be under way, from how long acknowledgements take. The time-out follows RFC 6298; the window aims at a queue of
 * 50 ms, behind which an alert on the same link would have to wait: what takes longer than the quickest way is waiting
 * somewhere. It moves in proportion to how far off it is, as FAST TCP does (Wei, Jin, Low and Hegde, IEEE/ACM Transactions on
 * Networking 14(6), 2006): a step as large as what was acknowledged, as LEDBAT may take it, is one round trip late and swings
 * between a full queue and an idle link. Who keeps a queue never sees the way without it, so once a minute the queue is let
 * run empty (the periodic slowdown of LEDBAT++, draft-irtf-iccrg-ledbat-plus-plus).
 */
const TARGET_QUEUE_MS = 50;
/** Of the way to where the window should be, the part that it goes within one round trip; FAST TCP is stable up to 1. */
const GAIN = 0.5;
/** In one round trip the window is doubled, and halved, at most. */
const MAX_GROWTH = 1;
const MAX_DECLINE = 0.5;
const MIN_WINDOW = 32_768;
const FIRST_WINDOW = 65_536;
const MIN_TIMEOUT_MS = 2_000;
const MAX_TIMEOUT_MS = 60_000;
/** The quickest way is remembered for one to two of these. */
const BASE_PERIOD_MS = 60_000;
/** Frames sent into the empty queue that are waited for. */
const PROBES = 2;

export class FlowWindow {
  /** Most bytes under way, whatever the delay. */
  ceiling: number;
  private size: number;
  private smoothed = 0;
  private variation = 0;
  private expiries = 0;
  private base = { since: 0, now: Infinity, before: Infinity };
  /** Since when the queue is let run empty, and how many frames sent since then are still waited for. */
  private lull: { since: number; left: number } | undefined;

  constructor(ceiling: number) {
    this.ceiling = ceiling;
    this.size = Math.min(FIRST_WINDOW, ceiling);
  }

  /** Bytes that may be under way now. */
  get bytes(): number {
    return Math.min(this.lull === undefined ? this.size : MIN_WINDOW, this.ceiling);
  }

  /** After so many milliseconds without an acknowledgement a frame counts as lost. */
  get timeoutMs(): number {
    const timeout = Math.max(MIN_TIMEOUT_MS, this.smoothed + 4 * this.variation);
    return Math.min(MAX_TIMEOUT_MS, timeout * 2 ** Math.min(this.expiries, 5));
  }

  /** Smoothed time to an acknowledgement, milliseconds; 0 before the first. */
  get latencyMs(): number {
    return this.smoothed;
  }

  /** A frame of `bytes`, sent once, was acknowledged after `delayMs`. */
  acknowledged(delayMs: number, bytes: number, now: number): void {
    this.expiries = 0;
    if (this.smoothed === 0) {
      this.smoothed = delayMs;
      this.variation = delayMs / 2;
    } else {
      this.variation += (Math.abs(this.smoothed - delayMs) - this.variation) / 4;
      this.smoothed += (delayMs - this.smoothed) / 8;
    }
    if (now - this.base.since >= BASE_PERIOD_MS) {
      this.base = { since: now, now: Infinity, before: this.base.now };
      if (this.size > 2 * MIN_WINDOW) this.lull = { since: now, left: PROBES };
    }
    this.base.now = Math.min(this.base.now, delayMs);
    if (this.lull !== undefined) {
      if (now - delayMs >= this.lull.since && --this.lull.left === 0) this.lull = undefined;
      return;
    }
    const wanted = Math.min(this.base.now, this.base.before) + TARGET_QUEUE_MS;
    const off = wanted / Math.max(1, delayMs) - 1;
    const step = Math.max(-MAX_DECLINE, Math.min(MAX_GROWTH, GAIN * off));
    // A window is acknowledged in one round trip, so these bytes are their part of one.
    this.size = Math.max(MIN_WINDOW, Math.min(this.ceiling, this.size + step * bytes));
  }

  /** Something under way timed out: half the window, twice the patience. */
  expired(): void {
    this.expiries++;
    this.lull = undefined;
    this.size = Math.max(MIN_WINDOW, this.size / 2);
  }
}
