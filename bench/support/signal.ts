/**
 * The reference signal of every bench: an AR(1) process around a daily course, two decimals (docs/numbers.md).
 * Seeded, so that two runs see the same readings.
 */
export interface SignalOptions {
  /** Standard deviation of the noise: 0.2 or 1. */
  noise: number;
  seed: number;
  /** Seconds between readings. */
  interval?: number;
}

const DAY = 86_400;
const AR = 0.9;

/** A small, fast, seeded generator of uniform numbers (mulberry32, public domain, Tommy Ettinger). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal numbers by the Box-Muller transform. */
export function gaussian(random: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Values of one series, one for each call. */
export function signal({ noise, seed, interval = 1 }: SignalOptions): () => number {
  const random = uniform(seed);
  const normal = gaussian(random);
  const base = 15 + 20 * random();
  const phase = 2 * Math.PI * random();
  const innovation = noise * Math.sqrt(1 - AR * AR);
  let deviation = noise * normal();
  let second = 0;
  return () => {
    deviation = AR * deviation + innovation * normal();
    second += interval;
    return Math.round(100 * (base + 5 * Math.sin((2 * Math.PI * second) / DAY + phase) + deviation)) / 100;
  };
}

/** Milliseconds by which a reading's time strays from its grid: +-20 ms. */
export function jitter(random: () => number): number {
  return Math.round((random() - 0.5) * 40);
}
