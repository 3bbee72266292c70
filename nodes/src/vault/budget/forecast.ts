/** Spans of which the lowest fill is kept, ms: folds write before they free, and the lowest is what stays. */
export const BUCKET_MS = 15 * 60_000;
/** A day of them. */
const BUCKETS = 96;
/** Fewer say nothing about growth. */
const FEWEST = 5;
/** Growth below this is none: bytes a day. */
const LEAST_GROWTH = 64 * 1024;
const DAY_MS = 86_400_000;

/**
 * When a vault will be full at the rate at which it grew within the last day: the median of the slopes between all pairs
 * of spans (Theil 1950, Sen 1968), which a single burst or eviction does not move. Times are monotonic milliseconds.
 */
export class Forecast {
  private readonly buckets: { at: number; used: number }[] = [];

  /** Takes a sample of the bytes in use. Any number of samples costs one entry a span. */
  add(at: number, used: number): void {
    const newest = this.buckets.at(-1);
    if (newest !== undefined && Math.floor(at / BUCKET_MS) === Math.floor(newest.at / BUCKET_MS)) {
      if (used > newest.used) return;
      newest.used = used;
      newest.at = at;
      return;
    }
    this.buckets.push({ at, used });
    if (this.buckets.length > BUCKETS) this.buckets.shift();
  }

  /** Bytes a millisecond; undefined while it is too early to tell. The span that is not over yet is left out. */
  rate(): number | undefined {
    const whole = this.buckets.slice(0, -1);
    if (whole.length < FEWEST) return undefined;
    const slopes: number[] = [];
    for (const [i, from] of whole.entries())
      for (const to of whole.slice(i + 1)) slopes.push((to.used - from.used) / (to.at - from.at));
    slopes.sort((a, b) => a - b);
    const middle = slopes.length >> 1;
    return slopes.length % 2 === 1 ? slopes[middle] : (slopes[middle - 1] + slopes[middle]) / 2;
  }

  /** Milliseconds until `limit` bytes are in use; undefined when it is too early to tell, or there is no growth. */
  timeToFull(limit: number): number | undefined {
    const newest = this.buckets.at(-1);
    if (newest === undefined) return undefined;
    if (newest.used >= limit) return 0;
    const rate = this.rate();
    if (rate === undefined || rate * DAY_MS < LEAST_GROWTH) return undefined;
    return (limit - newest.used) / rate;
  }
}
