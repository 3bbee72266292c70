import type { NodeStatus } from '../node/node-red.ts';

/** How long a rejection keeps the status yellow, milliseconds. */
const REMEMBERED_MS = 60_000;

/** Counts what goes through a door's node, and says it in a short line. */
export class Tally {
  readings = 0;
  replayed = 0;
  rejected = 0;
  private rejectedAt = Number.NEGATIVE_INFINITY;
  private lastReadings = 0;
  private lastAt: number;

  /** `now`: monotonic milliseconds, here and below. */
  constructor(now: number) {
    this.lastAt = now;
  }

  reject(count: number, now: number): void {
    this.rejected += count;
    this.rejectedAt = now;
  }

  /** Rates are those since the last call. */
  status(now: number): NodeStatus {
    const seconds = Math.max(0.001, (now - this.lastAt) / 1000);
    const rate = (this.readings - this.lastReadings) / seconds;
    this.lastReadings = this.readings;
    this.lastAt = now;
    if (now - this.rejectedAt < REMEMBERED_MS)
      return {
        fill: 'yellow',
        shape: 'dot',
        text: `${readingsText(this.readings)}, ${count(this.rejected)} rejected`,
      };
    const speed = rate >= 0.95 ? `, ${count(Math.round(rate))}/s` : '';
    return { fill: 'green', shape: 'dot', text: `${readingsText(this.readings)}${speed}` };
  }
}

function readingsText(readings: number): string {
  return `${count(readings)} ${readings === 1 ? 'reading' : 'readings'}`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
