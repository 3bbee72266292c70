import type { Gap } from '../gaps.ts';

/** Why readings that were stored are not there any more. After a restore it is windows that are lost, never readings. */
const WORDS = {
  shredded: 'shredded',
  quota: 'given up for want of room',
  retention: 'given up for their age',
  damaged: 'damaged',
  overrun: 'let go before a flow had read them, of which some may still be here',
} as const satisfies Partial<Record<Gap['cause'], string>>;
type Cause = keyof typeof WORDS;

/** Declared losses of one cause within what a query asked for. */
export interface Missing {
  cause: Cause;
  /** Readings; at most so many where a loss reaches beyond the time or the series that were asked for. */
  count: number;
  exact: boolean;
  /** Epoch milliseconds, inclusive: what lies between them is lost in part at least. */
  from: number;
  to: number;
}

export interface Asked {
  /** Epoch milliseconds: from inclusive, to exclusive. */
  from: number;
  to: number;
  /** Numbers of the series, and whether they are all that the vault has. */
  series: ReadonlySet<number>;
  all: boolean;
}

/** The declared losses that touch what was asked for, cause by cause, added up as they come. */
export class MissingReadings {
  private readonly asked: Asked;
  private readonly found = new Map<Cause, Missing>();

  constructor(asked: Asked) {
    this.asked = asked;
  }

  add({ what, cause, count, timeFrom, timeTo, series = 'all' }: Gap): void {
    const { from, to, series: asked, all } = this.asked;
    if (what !== 'readings' || !isCause(cause) || count === 0 || timeTo < from || timeFrom >= to) return;
    const within = series === 'all' ? asked.size : series.filter((number) => asked.has(number)).length;
    if (within === 0) return;
    const whole = timeFrom >= from && timeTo < to && (series === 'all' ? all : within === series.length);
    const before = this.found.get(cause);
    this.found.set(cause, {
      cause,
      count: count + (before?.count ?? 0),
      exact: whole && (before?.exact ?? true),
      from: Math.min(Math.max(timeFrom, from), before?.from ?? Infinity),
      to: Math.max(Math.min(timeTo, to - 1), before?.to ?? -Infinity),
    });
  }

  /** The largest loss first. */
  list(): Missing[] {
    return [...this.found.values()].toSorted((a, b) => b.count - a.count);
  }
}

/** All losses in one line. */
export function missingText(missing: readonly Missing[]): string {
  const parts = missing.map(({ cause, count, exact, from, to }) => {
    const readings = `${count.toLocaleString('en-US')} reading${count === 1 ? '' : 's'}`;
    return `${exact ? '' : 'up to '}${readings} ${WORDS[cause]} (${timeText(from)} to ${timeText(to)})`;
  });
  return `not all that was stored is in the answer: ${parts.join('; ')}`;
}

/** How many readings of what was asked for are not there any more. */
export function missingCount(missing: readonly Missing[]): string {
  const count = missing.reduce((sum, one) => sum + one.count, 0);
  return `${missing.every(({ exact }) => exact) ? '' : 'up to '}${count.toLocaleString('en-US')} missing`;
}

const isCause = (cause: Gap['cause']): cause is Cause => Object.hasOwn(WORDS, cause);
const timeText = (time: number): string => new Date(time).toISOString();
