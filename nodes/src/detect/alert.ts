import type { Value } from '../reading/reading.ts';

export type Severity = 'info' | 'warning' | 'critical';

/** One event on one series, from opening to closing. */
export interface Alert {
  /** 32 hexadecimal digits: hash of incarnation, series, kind and the position of the opening reading, so that a replay cannot double it. */
  id: string;
  /** 1 when it opens; each update or closing is the next. */
  revision: number;
  series: string;
  /** Time of the opening reading, epoch milliseconds. */
  time: number;
  state: 'open' | 'closed';
  /** Time of the closing reading. */
  closed?: number;
  severity: Severity;
  /** Detector that raised it: `auto`, `limits`, `rate`, `flatline`, `silence`. */
  kind: string;
  value: Value;
  /** The range that was expected; an absent end is open. */
  expected?: { low?: number; high?: number };
  unit?: string;
  /** The reason, in words a technician understands. */
  text: string;
}
