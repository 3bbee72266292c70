/**
 * Hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", OPODIS 2014): stamps near the wall clock that never
 * go back and that come after every stamp seen, even if the wall clock is set back.
 */
import type { Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import type { Stamp } from '../sync/messages.ts';

/** A stamp further ahead of the clock than this is refused: it would win over every honest write until then. */
export const MAX_DRIFT_MS = 86_400_000;

const MAX_COUNTER = 0xffff_ffff;

export class HybridClock {
  readonly writer: string;
  private readonly clock: Clock;
  private wall = 0;
  private counter = 0;

  /** `writer` is the gateway's name, or `cloud`. */
  constructor(clock: Clock, writer: string) {
    this.clock = clock;
    this.writer = writer;
  }

  /** A stamp later than every stamp given out or observed. */
  next(): Stamp {
    const now = Math.floor(this.clock.now());
    if (now > this.wall) this.set(now, 0);
    else if (this.counter < MAX_COUNTER) this.counter++;
    else this.set(this.wall + 1, 0);
    return { wall: this.wall, counter: this.counter, writer: this.writer };
  }

  /** Takes note of a stamp from elsewhere. Throws TideError `stamp-ahead`. */
  observe(stamp: Stamp): void {
    checkDrift(stamp, this.clock.now());
    if (stamp.wall > this.wall || (stamp.wall === this.wall && stamp.counter > this.counter))
      this.set(stamp.wall, stamp.counter);
  }

  private set(wall: number, counter: number): void {
    this.wall = wall;
    this.counter = counter;
  }
}

/** Throws TideError `stamp-ahead` for a stamp more than `MAX_DRIFT_MS` after `now` (epoch milliseconds). */
export function checkDrift(stamp: Stamp, now: number): void {
  const ahead = stamp.wall - now;
  if (ahead > MAX_DRIFT_MS) {
    throw new TideError(
      'stamp-ahead',
      `a stamp of ${stamp.writer} is ${Math.round(ahead / 3_600_000)} h ahead of the clock; at most 24 h are allowed`,
    );
  }
}

/** Negative when `a` is before `b`; 0 only for equal stamps. */
export function compareStamps(a: Stamp, b: Stamp): number {
  if (a.wall !== b.wall) return a.wall - b.wall;
  if (a.counter !== b.counter) return a.counter - b.counter;
  return a.writer < b.writer ? -1 : a.writer > b.writer ? 1 : 0;
}
