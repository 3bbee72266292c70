import { monitorEventLoopDelay } from 'node:perf_hooks';

import type { Clock } from '@tidegate/nodes/node';

/** Between two samples; what a sample took longer than that is delay. */
const RESOLUTION_MS = 10;
const WINDOW_MS = 10_000;

/**
 * How late the event loop comes to what is due: samples are taken all the time, and every ten seconds what they showed
 * replaces what the ten before showed, so that a start that was long past does not stand in today's figures.
 */
export class LoopDelay {
  /** Of the newest whole window, milliseconds; 0 before there is one. */
  p99Ms = 0;
  maxMs = 0;
  private readonly clock: Clock;
  private readonly histogram: ReturnType<typeof monitorEventLoopDelay>;
  private since: number;

  constructor(clock: Clock) {
    this.clock = clock;
    this.since = clock.monotonic();
    this.histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  }

  start(): void {
    this.since = this.clock.monotonic();
    this.histogram.enable();
  }

  stop(): void {
    this.histogram.disable();
  }

  /** To be called about once a second. */
  sample(): void {
    const now = this.clock.monotonic();
    if (now - this.since < WINDOW_MS || this.histogram.count === 0) return;
    this.since = now;
    this.p99Ms = delayOf(this.histogram.percentile(99));
    this.maxMs = delayOf(this.histogram.max);
    this.histogram.reset();
  }
}

const delayOf = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
