import type { Clock } from '../node/clock.ts';
import { purposeOf, resolutionOf } from '../summary/stream.ts';
import type { StreamBacklog } from '../vault/vault.ts';

/** Blocks acknowledged of those that waited since syncing began. */
export interface Share {
  done: number;
  total: number;
}

/** How far the outbox is drained. `coarse` and `fine` only where both are being sent; `leftMs` once a rate has been measured. */
export interface Progress extends Share {
  coarse?: Share;
  fine?: Share;
  leftMs?: number;
}

/** Blocks that may be sent now: of the finest windows of each purpose, and all others (names too). */
export interface Remaining {
  coarse: number;
  fine: number;
}

/** The rate is that of this long at most, and not believed before it was measured for so long, milliseconds. */
const MEASURED_MS = 60_000;
const BELIEVED_MS = 10_000;
const SAMPLE_MS = 1_000;

/** Sorts what may be sent into coarse and fine; `released` tells how many blocks of a stream may go. */
export function remainingOf(backlog: readonly StreamBacklog[], released: (stream: StreamBacklog) => number): Remaining {
  const finest = new Map<string, number>();
  for (const { stream } of backlog) {
    const [purpose, resolution] = [purposeOf(stream), resolutionOf(stream)];
    if (purpose === undefined || resolution === undefined) continue;
    finest.set(purpose, Math.min(resolution, finest.get(purpose) ?? Infinity));
  }
  const remaining: Remaining = { coarse: 0, fine: 0 };
  for (const one of backlog) {
    const purpose = purposeOf(one.stream);
    const fine = purpose !== undefined && finest.get(purpose) === resolutionOf(one.stream);
    remaining[fine ? 'fine' : 'coarse'] += released(one);
  }
  return remaining;
}

/** Measures how a backlog shrinks, from when there is one until there is none. Says nothing that it has not seen. */
export class SyncProgress {
  private readonly clock: Clock;
  private readonly totals: Remaining = { coarse: 0, fine: 0 };
  private last: Remaining = { coarse: 0, fine: 0 };
  private samples: { at: number; done: number }[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** `remaining` is what may be sent now. Undefined when that is nothing. */
  observe(remaining: Remaining): Progress | undefined {
    for (const kind of ['coarse', 'fine'] as const) this.totals[kind] += Math.max(0, remaining[kind] - this.last[kind]);
    this.last = remaining;
    if (remaining.coarse + remaining.fine === 0) {
      this.totals.coarse = 0;
      this.totals.fine = 0;
      this.samples = [];
      return undefined;
    }
    const coarse = this.share('coarse');
    const fine = this.share('fine');
    const done = coarse.done + fine.done;
    const leftMs = this.left(done, remaining.coarse + remaining.fine);
    return {
      done,
      total: coarse.total + fine.total,
      ...(coarse.total > 0 && fine.total > 0 && { coarse, fine }),
      ...(leftMs !== undefined && { leftMs }),
    };
  }

  private share(kind: keyof Remaining): Share {
    const total = this.totals[kind];
    return { done: total - this.last[kind], total };
  }

  /** In steps of ten seconds: finer ones would promise more than is known. */
  private left(done: number, remaining: number): number | undefined {
    const now = this.clock.monotonic();
    const newest = this.samples.at(-1);
    if (newest === undefined || now - newest.at >= SAMPLE_MS) this.samples.push({ at: now, done });
    while (this.samples.length > 2 && now - this.samples[0].at > MEASURED_MS) this.samples.shift();
    const [first] = this.samples;
    const [took, came] = [now - first.at, done - first.done];
    if (took < BELIEVED_MS || came <= 0) return undefined;
    return Math.ceil((remaining * took) / came / 10_000) * 10_000;
  }
}

/** `coarse 100 %, fine 37 %, 4 min left`; never 100 % of what is not done. */
export function progressText({ done, total, coarse, fine, leftMs }: Progress): string {
  const parts =
    coarse !== undefined && fine !== undefined
      ? [`coarse ${percent(coarse)}`, `fine ${percent(fine)}`]
      : [percent({ done, total })];
  if (leftMs !== undefined) parts.push(`${leftText(leftMs)} left`);
  return parts.join(', ');
}

const percent = ({ done, total }: Share): string => `${total === 0 ? 100 : Math.floor((100 * done) / total)} %`;

function leftText(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`;
  const minutes = Math.ceil(ms / 60_000);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.ceil(ms / 3_600_000);
  return hours < 48 ? `${hours} h` : `${Math.ceil(hours / 24)} days`;
}
