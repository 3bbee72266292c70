/** What a recording says, row by row. */
export interface Row {
  /** Epoch milliseconds. */
  time: number;
  /** The time as the file writes it. */
  stamp: string;
  /** Decimal number as text, one for each metric; undefined where the cell holds none. */
  values: (string | undefined)[];
}

/** Rows of several recordings in the order of their times; of equal times the earlier source comes first. */
export async function* mergeByTime<Source>(
  sources: readonly { source: Source; rows: AsyncIterator<Row> }[],
): AsyncGenerator<{ source: Source; row: Row }> {
  const heap: { order: number; source: Source; rows: AsyncIterator<Row>; row: Row }[] = [];
  const before = (a: number, b: number): boolean => {
    const [left, right] = [heap[a], heap[b]];
    return left.row.time < right.row.time || (left.row.time === right.row.time && left.order < right.order);
  };
  const swap = (a: number, b: number): void => {
    [heap[a], heap[b]] = [heap[b], heap[a]];
  };
  const sink = (): void => {
    for (let at = 0, child = 1; child < heap.length; at = child, child = 2 * at + 1) {
      if (child + 1 < heap.length && before(child + 1, child)) child++;
      if (!before(child, at)) return;
      swap(at, child);
    }
  };
  for (const [order, { source, rows }] of sources.entries()) {
    const first = await rows.next();
    if (first.done === true) continue;
    heap.push({ order, source, rows, row: first.value });
    for (let at = heap.length - 1; at > 0 && before(at, (at - 1) >> 1); at = (at - 1) >> 1) swap(at, (at - 1) >> 1);
  }
  while (heap.length > 0) {
    const top = heap[0];
    yield { source: top.source, row: top.row };
    const next = await top.rows.next();
    if (next.done === true) {
      const last = heap.pop()!;
      if (heap.length === 0) return;
      heap[0] = last;
    } else top.row = next.value;
    sink();
  }
}
