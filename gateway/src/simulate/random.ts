/** A small, fast, seeded generator of uniform numbers in 0..1 (mulberry32, public domain, Tommy Ettinger). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Noise that remembers: an AR(1) process of standard deviation 1, one value for each call. */
export function colouredNoise(random: () => number, memory: number): () => number {
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const fresh = Math.sqrt(1 - memory * memory);
  let value = normal();
  return () => {
    value = memory * value + fresh * normal();
    return value;
  };
}
