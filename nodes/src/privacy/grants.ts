import { matchSeries } from '../reading/series-pattern.ts';

/** Leave to send the series that match a pattern to the cloud for a purpose. Without one nothing leaves the site. */
export interface Grant {
  /** Series pattern, e.g. `line1/#`. */
  series: string;
  /** What for; the first level of the streams that carry it. */
  purpose: string;
  /** Epoch milliseconds. */
  since: number;
}

export const DEFAULT_PURPOSE = 'operations';

/** Namespace of the grants among the vault's documents; the key is `purpose:pattern`. */
export const GRANTS = 'grants';

/** The grants that stand, as a question. Immutable: a change makes a new one. */
export class Grants {
  readonly list: readonly Grant[];
  private readonly answers = new Map<string, boolean>();

  constructor(list: readonly Grant[]) {
    this.list = list;
  }

  allows(series: string, purpose: string = DEFAULT_PURPOSE): boolean {
    const question = `${purpose}:${series}`;
    let answer = this.answers.get(question);
    if (answer === undefined) {
      answer = this.list.some((grant) => grant.purpose === purpose && matchSeries(grant.series, series));
      this.answers.set(question, answer);
    }
    return answer;
  }
}
