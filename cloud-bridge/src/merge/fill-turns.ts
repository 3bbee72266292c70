import type { Clock } from '@tidegate/nodes/node';

/** Gateways with a backlog whose turns begin within a second. */
const TURNS_PER_SECOND = 50;
/** Nobody waits longer, however many there are. */
export const LONGEST_WAIT_MS = 600_000;
/** A backlog of so many blocks or fewer is a batch or two: it waits for no turn. */
const SMALL_BACKLOG = 8;

/**
 * When a gateway that comes back may begin to send what waited. After an outage of the broker all come back at once;
 * their backlogs begin one after the other, while alerts and what is new of all of them go at once.
 */
export class FillTurns {
  private readonly clock: Clock;
  /** Of gateways that wait, monotonic milliseconds. */
  private readonly turns = new Map<number, number>();
  private next = -Infinity;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Milliseconds until a gateway's turn. Who says HELLO again before it comes keeps it, and pushes nobody back. */
  waitOf(gateway: number, backlogBlocks: number): number {
    if (backlogBlocks <= SMALL_BACKLOG) return 0;
    const now = this.clock.monotonic();
    this.forget(now);
    const given = this.turns.get(gateway);
    if (given !== undefined) return Math.ceil(given - now);
    const at = Math.min(Math.max(now, this.next), now + LONGEST_WAIT_MS);
    this.next = at + 1_000 / TURNS_PER_SECOND;
    if (at > now) this.turns.set(gateway, at);
    return Math.ceil(at - now);
  }

  /** Turns stand in the order in which they were given, which is that of their times. */
  private forget(now: number): void {
    for (const [gateway, at] of this.turns) {
      if (at > now) return;
      this.turns.delete(gateway);
    }
  }
}
