import { MAX_METRICS, MAX_PROBLEMS, MAX_STRING_BYTES, MAX_UNIT_LENGTH } from './limits.ts';
import { numberProblem } from './number-range.ts';
import type { Quality, Value } from './reading.ts';

/** One value found in a payload. */
export interface Metric {
  /** Path of the value within the payload, levels joined by `/`; empty for a bare value. */
  path: string;
  value: Value;
  /** Epoch milliseconds by the device's clock, when the payload says. */
  time?: number;
  unit?: string;
  quality?: Quality;
}

/** Why a payload, or one value of it, cannot be used. */
export interface Problem {
  code: RejectionCode;
  /** What was found and what is allowed. */
  reason: string;
}

export type RejectionCode =
  | 'empty'
  | 'too-large'
  | 'too-deep'
  | 'too-many'
  | 'too-long'
  | 'not-a-number'
  | 'unreadable'
  | 'no-values'
  | 'absurd-time'
  | 'too-precise'
  | 'unknown-alias'
  | 'no-series';

/** What a payload turned out to hold: good values, and what was wrong with the others. */
export class Findings {
  readonly metrics: Metric[] = [];
  readonly problems: Problem[] = [];
  /** Topic to build series from, where the format knows a better one than the message's (Sparkplug). */
  topic: string | undefined;
  private dropped = 0;
  /** No more values are taken. */
  full = false;

  static failed(code: RejectionCode, reason: string): Findings {
    const findings = new Findings();
    findings.problem(code, reason);
    return findings;
  }

  problem(code: RejectionCode, reason: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push({ code, reason });
    else {
      this.dropped++;
      const last = this.problems[MAX_PROBLEMS - 1];
      last.reason = `${last.reason.replace(/ \(and \d+ more problems\)$/, '')} (and ${this.dropped} more problems)`;
    }
  }

  /** Adds a value if it is one that can be kept. */
  add(path: string, value: Value, time?: number, unit?: string, quality?: Quality): void {
    if (this.metrics.length >= MAX_METRICS) {
      if (!this.full) this.problem('too-many', `holds more than ${MAX_METRICS} values; the others are left out`);
      this.full = true;
      return;
    }
    if (typeof value === 'number') {
      const problem = numberProblem(value);
      if (problem !== undefined) {
        this.problem(problem.code, `${label(path)} ${problem.reason}`);
        return;
      }
    } else if (typeof value === 'string' && value.length * 3 > MAX_STRING_BYTES) {
      const bytes = Buffer.byteLength(value);
      if (bytes > MAX_STRING_BYTES) {
        this.problem('too-long', `${label(path)} is a text of ${bytes} bytes; at most ${MAX_STRING_BYTES} are kept`);
        return;
      }
    }
    const metric: Metric = { path, value };
    if (time !== undefined) metric.time = time;
    if (unit !== undefined && unit !== '' && unit.length <= MAX_UNIT_LENGTH) metric.unit = unit;
    if (quality !== undefined) metric.quality = quality;
    this.metrics.push(metric);
  }

  /** A payload that was readable and held nothing to keep is a rejection as well. */
  finish(): this {
    if (this.metrics.length === 0 && this.problems.length === 0)
      this.problem('no-values', 'holds no number, switch position or text');
    return this;
  }
}

function label(path: string): string {
  return path === '' ? 'the value' : `"${path.length > 80 ? `${path.slice(0, 79)}…` : path}"`;
}
