import { FIELDS, type Fields } from './fields.ts';
import { SUMMARY_VERSION } from './summary-codec.ts';
import type { Summary } from './summary.ts';
import { type ByteReader, ByteWriter } from './varint.ts';

/** Places of the fields from one to before another, which is the last without it. */
function placesFrom(from: keyof Fields<unknown>, to?: keyof Fields<unknown>): number[] {
  const places = FIELDS.map((_, place) => place);
  return places.slice(FIELDS.indexOf(from), to === undefined ? undefined : FIELDS.indexOf(to));
}

/** A summary alone has its buckets before its times. */
const BEFORE_BUCKETS = [...placesFrom('counts', 'firstTimes'), ...placesFrom('widths', 'gaps')];
const [GAPS, BUCKETS] = placesFrom('gaps', 'changes');
const AFTER_TIMES = [...placesFrom('firstValues', 'widths'), ...placesFrom('changes')];

/**
 * The bytes of a summary alone out of the columns of a block. All but the fields that a block counts from its neighbours
 * stand the same in both, so they are copied: that takes a fifth of the time of writing the summary anew.
 */
export class SummaryCopy {
  /** In the order of FIELDS. */
  private readonly columns: readonly ByteReader[];
  private readonly starts: number[];
  private readonly writer = new ByteWriter(1024);

  constructor(columns: readonly ByteReader[]) {
    this.columns = columns;
    this.starts = columns.map(() => 0);
  }

  /** The next summary is about to be read. */
  begin(): void {
    const { columns, starts } = this;
    for (let i = 0; i < columns.length; i++) starts[i] = columns[i].position;
  }

  /** The bytes of the summary that was read since. */
  finish({ first, last }: Pick<Summary, 'first' | 'last'>): Uint8Array {
    const { writer } = this;
    writer.reset();
    writer.byte(SUMMARY_VERSION);
    for (const field of BEFORE_BUCKETS) this.copy(field);
    this.copyBuckets();
    if (first !== undefined && last !== undefined) {
      writer.int(first.time);
      writer.int(last.time - first.time);
      writer.int(first.position);
      writer.int(last.position - first.position);
      for (const field of AFTER_TIMES) this.copy(field);
    }
    return writer.finish();
  }

  private copy(field: number): void {
    this.writer.copy(this.columns[field], this.starts[field], this.columns[field].position);
  }

  /** Alone, the gap before a bucket stands before its count; there is none before the first. */
  private copyBuckets(): void {
    const { writer } = this;
    const [gaps, buckets] = [this.columns[GAPS], this.columns[BUCKETS]];
    let gap = this.starts[GAPS];
    if (gaps.position === gap) return this.copy(BUCKETS);
    for (let at = this.starts[BUCKETS]; at < buckets.position;) {
      if (at > this.starts[BUCKETS]) gap = writer.copyInteger(gaps, gap);
      at = writer.copyInteger(buckets, at);
    }
  }
}
