import type { Clock } from '@tidegate/nodes/node';
import type { Random } from '../random.ts';

interface Event {
  at: number;
  order: number;
  run: () => void;
}

/** True time, and what happens when. Nothing in a round waits for a real clock. */
export class World {
  /** Epoch milliseconds. */
  now = 1_700_000_000_000;
  readonly random: Random;
  private events: Event[] = [];
  private order = 0;

  constructor(random: Random) {
    this.random = random;
  }

  after(ms: number, run: () => void): void {
    const event = { at: this.now + Math.max(0, ms), order: this.order++, run };
    let i = this.events.length;
    while (i > 0 && this.events[i - 1].at > event.at) i--;
    this.events.splice(i, 0, event);
  }

  /** When something happens next. */
  get next(): number {
    return this.events[0]?.at ?? Infinity;
  }

  /** Lets happen what is due, in order. */
  happen(): void {
    while (this.events.length > 0 && this.events[0].at <= this.now) this.events.shift()!.run();
  }
}

/** What a machine takes for the time: it may be wrong and may jump. Its monotonic clock runs evenly from its start. */
export class MachineClock implements Clock {
  /** Milliseconds that its wall clock is ahead. */
  skew = 0;
  /** Milliseconds that each look at the monotonic clock finds gone by: a machine that is slow. */
  lag: () => number = () => 0;
  private readonly world: World;
  private readonly startedAt: number;
  private lagged = 0;

  constructor(world: World) {
    this.world = world;
    this.startedAt = world.now - world.random.below(10_000_000);
  }

  now(): number {
    return Math.floor(this.world.now + this.skew);
  }

  monotonic(): number {
    this.lagged += this.lag();
    return this.world.now - this.startedAt + this.lagged;
  }
}
