import type { StreamBacklog } from '@tidegate/nodes/vault';

import type { LinkShape } from './link-shape.ts';

interface Gap {
  /** Highest block of the gap, and how many waited. */
  sealed: number;
  count: number;
  waiting: number;
  completeAt?: number;
}

/**
 * How a backlog becomes less, from looks at the outbox: what is no longer in it was committed at the cloud. Times are
 * monotonic milliseconds, results seconds since the link was back.
 */
export class CatchUp {
  private readonly gaps: Map<string, Gap>;
  private readonly fineStream: string;
  private readonly bytesPerMs: number;
  private readonly started: number;
  private connectedAt: { at: number; carried: number } | undefined;
  private fineFrom: { at: number; carried: number } | undefined;
  private last = { at: 0, carried: 0 };

  /** `fineStream`: the stream whose fill is measured by itself, once all others are there. */
  constructor(backlog: readonly StreamBacklog[], link: LinkShape, started: number, fineStream: string) {
    this.gaps = new Map(
      backlog.map(({ stream, sealed, count }) => [stream, { sealed, count, waiting: count }] satisfies [string, Gap]),
    );
    this.fineStream = fineStream;
    this.bytesPerMs = link.bitsPerSecond / 8000;
    this.started = started;
  }

  get done(): boolean {
    return [...this.gaps.values()].every(({ waiting }) => waiting === 0);
  }

  /** Share of the blocks that are there. */
  get share(): number {
    const gaps = [...this.gaps.values()];
    const total = gaps.reduce((sum, { count }) => sum + count, 0);
    return total === 0 ? 1 : 1 - gaps.reduce((sum, { waiting }) => sum + waiting, 0) / total;
  }

  get connectedYet(): boolean {
    return this.connectedAt !== undefined;
  }

  /** Until the gateway was welcomed. */
  get connected(): number {
    return this.connectedAt === undefined ? 0 : (this.connectedAt.at - this.started) / 1000;
  }

  /** How long the fine fill has been going on, or went on. */
  get fineSeconds(): number {
    if (this.fineFrom === undefined) return 0;
    return ((this.gaps.get(this.fineStream)?.completeAt ?? this.last.at) - this.fineFrom.at) / 1000;
  }

  /** `carried`: bytes that the link has taken towards the cloud so far. */
  look(backlog: readonly StreamBacklog[], connected: boolean, carried: number, now: number): void {
    const wasDone = this.done;
    if (connected) this.connectedAt ??= { at: now, carried };
    for (const [stream, gap] of this.gaps) {
      if (gap.waiting === 0) continue;
      const there = backlog.find((one) => one.stream === stream);
      // What was sealed since waits as well; no more than that much of it can be of the gap.
      const since = there === undefined ? 0 : there.sealed - gap.sealed;
      gap.waiting =
        there === undefined || there.count === 0 || there.lowest > gap.sealed
          ? 0
          : Math.max(1, Math.min(gap.waiting, there.count - Math.min(since, Math.max(0, there.highest - gap.sealed))));
      if (gap.waiting === 0) gap.completeAt = now;
    }
    const coarse = [...this.gaps].every(([stream, { waiting }]) => stream === this.fineStream || waiting === 0);
    if (coarse && !this.done) this.fineFrom ??= { at: now, carried };
    if (!wasDone) this.last = { at: now, carried };
  }

  /** Until the gap was there in one stream; null before. */
  completeAt(stream: string): number | null {
    const at = this.gaps.get(stream)?.completeAt;
    return at === undefined ? null : (at - this.started) / 1000;
  }

  /** Share of the link's capacity that was used: since the gateway was welcomed, and while it filled in the fine. */
  linkShare(): { whole: number; fine: number | null } {
    const since = (from: { at: number; carried: number } | undefined): number | null =>
      from === undefined || this.last.at <= from.at
        ? null
        : (this.last.carried - from.carried) / ((this.last.at - from.at) * this.bytesPerMs);
    return { whole: since(this.connectedAt) ?? 0, fine: since(this.fineFrom) };
  }

  facts(): string {
    const parts = [...this.gaps]
      .filter(([stream]) => stream.includes('/'))
      .map(([stream, { count, waiting }]) => `${stream} ${Math.floor((1 - waiting / Math.max(1, count)) * 100)} %`);
    return parts.join(', ');
  }
}
