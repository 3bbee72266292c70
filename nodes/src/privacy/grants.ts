import { matchSeries } from '../reading/series-pattern.ts';

/** Leave to send the series that match a pattern to the cloud for a purpose. Without one nothing leaves the site. */
export interface Grant {
  /** Series pattern, e.g. `line1/#`. */
  series: string;
  /** What for; the first level of the streams that carry it. */
  purpose: string;
  /** Epoch milliseconds; of two decisions that cover a series the later one counts. */
  since: number;
}

/** A grant withdrawn for a part of what a wider grant covers; the same fields. */
export type Refusal = Grant;

export const DEFAULT_PURPOSE = 'operations';

/** Namespace of the grants and refusals among the vault's documents; the key is `purpose:pattern`. */
export const GRANTS = 'grants';

/** The grants that stand, as a question. Immutable: a change makes a new one. */
export class Grants {
  readonly list: readonly Grant[];
  readonly refusals: readonly Refusal[];
  private readonly newestFirst: readonly { decision: Grant; allowed: boolean }[];
  /** By purpose, then series: each part that waits is asked for when it is sent. */
  private readonly answers = new Map<string, Map<string, boolean>>();

  constructor(list: readonly Grant[], refusals: readonly Refusal[] = []) {
    this.list = list;
    this.refusals = refusals;
    // At the same time the refusal counts: what is in doubt stays.
    this.newestFirst = [
      ...refusals.map((decision) => ({ decision, allowed: false })),
      ...list.map((decision) => ({ decision, allowed: true })),
    ].toSorted((a, b) => b.decision.since - a.decision.since);
  }

  allows(series: string, purpose: string = DEFAULT_PURPOSE): boolean {
    let answers = this.answers.get(purpose);
    if (answers === undefined) this.answers.set(purpose, (answers = new Map()));
    let answer = answers.get(series);
    if (answer === undefined) {
      answer =
        this.newestFirst.find(({ decision }) => decision.purpose === purpose && matchSeries(decision.series, series))
          ?.allowed ?? false;
      answers.set(series, answer);
    }
    return answer;
  }

  /** Whether a series may be sent for any purpose at all: then its name may. */
  allowsAny(series: string): boolean {
    for (const purpose of new Set(this.list.map((grant) => grant.purpose)))
      if (this.allows(series, purpose)) return true;
    return false;
  }

  /** The grants after leave is given. The decisions that the new one covers are gone. */
  granted(grant: Grant): Grants {
    const { list, refusals } = this.without(grant);
    return new Grants([...list, grant], refusals);
  }

  /** The grants after leave is withdrawn. A refusal is kept only where a grant is left that it might narrow. */
  revoked(refusal: Refusal): Grants {
    const { list, refusals } = this.without(refusal);
    const narrows = list.some((grant) => grant.purpose === refusal.purpose);
    return new Grants(list, narrows ? [...refusals, refusal] : refusals);
  }

  /** Later than every decision so far, even if the clock was set back. */
  nextTime(now: number): number {
    return Math.max(now, (this.newestFirst[0]?.decision.since ?? 0) + 1);
  }

  private without({ series, purpose }: Grant): { list: Grant[]; refusals: Refusal[] } {
    const stays = (other: Grant): boolean => other.purpose !== purpose || !covers(series, other.series);
    return { list: this.list.filter(stays), refusals: this.refusals.filter(stays) };
  }
}

/** Whether every series that `inner` matches is matched by `outer` too. */
export function covers(outer: string, inner: string): boolean {
  const wide = outer.split('/');
  const narrow = inner.split('/');
  for (const [i, level] of wide.entries()) {
    if (level === '#') return true;
    if (i >= narrow.length || narrow[i] === '#') return false;
    if (level !== '+' && level !== narrow[i]) return false;
  }
  return wide.length === narrow.length;
}
