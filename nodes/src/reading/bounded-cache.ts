/**
 * A map that forgets: holds at least the newest `limit` keys used and at most twice as many. Two generations instead
 * of a linked list, so that a hit in the young one is a single map lookup. Keys of more than `longestKey` characters are
 * never held: where strangers choose them, the number alone bounds nothing.
 */
export class BoundedCache<Key extends string, Value> {
  private readonly limit: number;
  private readonly longestKey: number;
  private young = new Map<Key, Value>();
  private old = new Map<Key, Value>();

  constructor(limit: number, longestKey = Infinity) {
    this.limit = limit;
    this.longestKey = longestKey;
  }

  get(key: Key): Value | undefined {
    const hit = this.young.get(key);
    if (hit !== undefined) return hit;
    const kept = this.old.get(key);
    if (kept !== undefined) this.set(key, kept);
    return kept;
  }

  set(key: Key, value: Value): void {
    if (key.length > this.longestKey) return;
    if (this.young.size >= this.limit && !this.young.has(key)) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
  }

  get size(): number {
    return this.young.size + this.old.size;
  }
}
