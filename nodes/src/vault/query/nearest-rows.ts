/**
 * The rows that come first by a number of theirs, at most `limit` of them, of however many are offered: a binary heap
 * whose root is the last of those kept. Of equal ones the earlier offered comes first.
 */
export class NearestRows<Row> {
  private readonly limit: number;
  private readonly rankOf: (row: Row) => number;
  private readonly heap: { row: Row; rank: number; offered: number }[] = [];
  /** Rows offered, kept or not. */
  offered = 0;

  constructor(limit: number, rankOf: (row: Row) => number) {
    this.limit = limit;
    this.rankOf = rankOf;
  }

  offer(row: Row): void {
    const { heap } = this;
    const entry = { row, rank: this.rankOf(row), offered: this.offered++ };
    if (heap.length < this.limit) {
      heap.push(entry);
      this.rise(heap.length - 1);
    } else if (entry.rank < heap[0].rank) {
      heap[0] = entry;
      this.sink();
    }
  }

  /** Takes the last of those kept out, at most `many` of them: last first. */
  takeLast(many: number): Row[] {
    const { heap } = this;
    const taken: Row[] = [];
    while (taken.length < many && heap.length > 0) {
      taken.push(heap[0].row);
      const moved = heap.pop()!;
      if (heap.length === 0) break;
      heap[0] = moved;
      this.sink();
    }
    return taken;
  }

  get kept(): number {
    return this.heap.length;
  }

  private isAfter(a: number, b: number): boolean {
    const { heap } = this;
    return heap[a].rank - heap[b].rank > 0 || (heap[a].rank === heap[b].rank && heap[a].offered > heap[b].offered);
  }

  private swap(a: number, b: number): void {
    const { heap } = this;
    [heap[a], heap[b]] = [heap[b], heap[a]];
  }

  private rise(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.isAfter(at, parent)) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  private sink(): void {
    const { length } = this.heap;
    for (let at = 0; ;) {
      let last = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < length && this.isAfter(child, last)) last = child;
      if (last === at) return;
      this.swap(at, last);
      at = last;
    }
  }
}
