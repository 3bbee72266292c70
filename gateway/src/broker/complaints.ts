import type { Clock } from '@tidegate/nodes/node';

/**
 * Keeps a log short when the same thing goes wrong over and over: of each kind one line in `intervalMs`, and the next
 * one says how many were left out.
 */
export class Complaints {
  private readonly write: (line: string) => void;
  private readonly clock: Clock;
  private readonly intervalMs: number;
  private readonly kinds = new Map<string, { since: number; left: number }>();

  constructor(write: (line: string) => void, clock: Clock, intervalMs = 10_000) {
    this.write = write;
    this.clock = clock;
    this.intervalMs = intervalMs;
  }

  /** @param kind One of a fixed set: nothing that a client can choose, so that the memory is bounded. */
  say(kind: string, line: string): void {
    const now = this.clock.monotonic();
    const last = this.kinds.get(kind);
    if (last !== undefined && now - last.since < this.intervalMs) {
      last.left++;
      return;
    }
    const left = last?.left ?? 0;
    this.kinds.set(kind, { since: now, left: 0 });
    this.write(left === 0 ? line : `${line} (and ${left} more like this)`);
  }
}
