/** The newest durations, and what lies in the middle and near the end of them. */
export class Latencies {
  private readonly kept: Float64Array;
  private total = 0;
  private sum = 0;
  private longest = 0;

  constructor(keep: number) {
    this.kept = new Float64Array(keep);
  }

  add(milliseconds: number): void {
    this.kept[this.total++ % this.kept.length] = milliseconds;
    this.sum += milliseconds;
    this.longest = Math.max(this.longest, milliseconds);
  }

  /** Nearest-rank percentiles, milliseconds; 0 when there is nothing yet. `count`, `sum` and `max` are of all ever added. */
  summary(): { count: number; p50: number; p99: number; max: number; sum: number } {
    const sorted = this.kept.slice(0, Math.min(this.total, this.kept.length)).toSorted();
    const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
    return { count: this.total, p50: rank(0.5), p99: rank(0.99), max: this.longest, sum: this.sum };
  }
}
