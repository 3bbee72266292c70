import type { Clock } from '@tidegate/nodes/node';

/** How long after the last refusal a gateway without traffic counts as well again, milliseconds. */
const FORGIVEN_MS = 60_000;

export interface DoorSample {
  /** Position of the vault's next reading. */
  head: number;
  /** Counts of the door since the start, and how many messages wait now. */
  messages: number;
  refused: number;
  waitingMessages: number;
}

/** Notices that messages are refused and none gets through, from samples taken now and then. */
export class CommitWatch {
  private readonly clock: Clock;
  private before: DoorSample = { head: 0, messages: 0, refused: 0, waitingMessages: 0 };
  private refusedAt: number | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  sample(now: DoorSample): void {
    const { before } = this;
    if (now.head > before.head || answered(now) > answered(before)) this.refusedAt = undefined;
    else if (now.refused > before.refused) this.refusedAt = this.clock.monotonic();
    this.before = now;
  }

  /** Whether messages were refused lately and nothing was committed since. */
  get stuck(): boolean {
    return this.refusedAt !== undefined && this.clock.monotonic() - this.refusedAt < FORGIVEN_MS;
  }
}

/** Messages are counted as they arrive; those that neither wait nor were refused have been committed. */
const answered = ({ messages, refused, waitingMessages }: DoorSample): number => messages - refused - waitingMessages;
