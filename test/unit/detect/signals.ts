import type { Reading, Value } from '@tidegate/nodes/reading';

/** Numbers 0..1 that are the same in every run (mulberry32). */
export function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Gaussian numbers of mean 0 and variance 1 (Box and Muller 1958). */
export function gaussian(seed: number): () => number {
  const uniform = random(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

export const START = Date.UTC(2026, 0, 5);

export function reading(time: number, value: Value, more: Partial<Reading> = {}): Reading {
  return { series: 'plant/sensor', time, value, quality: 'good', clock: 'device', ...more };
}

/** Values at `seconds` apart, from START on. */
export function* signal(count: number, seconds: number, value: (i: number) => number): Generator<Reading> {
  for (let i = 0; i < count; i++) yield reading(START + i * seconds * 1000, value(i), { position: i + 1 });
}

export const round = (value: number, digits: number): number => Number(value.toFixed(digits));
