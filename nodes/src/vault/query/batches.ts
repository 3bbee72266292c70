/** A piece of an answer. */
export interface Batch<Row> {
  rows: Row[];
  /** From 0. */
  index: number;
  last: boolean;
}

/**
 * Rows in pieces of one size. One piece is held back, so that the last says that it is; an answer without a row is one
 * empty piece.
 */
export async function* inBatches<Row>(pages: AsyncIterable<readonly Row[]>, size: number): AsyncGenerator<Batch<Row>> {
  let rows: Row[] = [];
  let index = 0;
  for await (const page of pages) {
    for (const row of page) {
      if (rows.length === size) {
        yield { rows, index: index++, last: false };
        rows = [];
      }
      rows.push(row);
    }
  }
  yield { rows, index, last: true };
}
