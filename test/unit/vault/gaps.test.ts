import assert from 'node:assert/strict';

import {
  GAPS,
  GAP_COUNTER,
  GapBook,
  MAX_GAP_RANGES,
  gapSchema,
  type Change,
  type Gap,
  type Loss,
} from '@tidegate/nodes/vault';
import fc from 'fast-check';

const WRITER = 'ab'.repeat(16);
const DAY = 86_400_000;

const readings = (from: number, to: number, change: Partial<Loss> = {}): Loss => ({
  at: 10 * DAY,
  cause: 'quota',
  what: 'readings',
  count: to - from + 1,
  timeFrom: from * 1000,
  timeTo: to * 1000,
  positions: [from, to],
  series: 'all',
  coarsest: 60,
  ...change,
});
const blocks = (...ranges: [number, number][]): Loss => ({
  at: 10 * DAY,
  cause: 'quota',
  what: 'blocks',
  count: ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0),
  timeFrom: 0,
  timeTo: DAY,
  stream: 'operations/60',
  blocks: ranges,
  coarsest: 900,
});

/** The documents as a vault would hold them after the changes. */
class Documents {
  readonly gaps = new Map<string, unknown>();
  next: unknown;

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      assert.ok(change.kind === 'document');
      if (change.namespace === GAP_COUNTER.namespace) this.next = change.value;
      else if (change.value === undefined) this.gaps.delete(change.key);
      else {
        assert.equal(change.namespace, GAPS);
        this.gaps.set(change.key, change.value);
      }
    }
  }

  book(limit?: number): GapBook {
    return new GapBook(WRITER, this.gaps.values(), this.next, limit);
  }
}

describe('declared gaps', () => {
  it('that lie side by side become one, which keeps the first number', () => {
    const documents = new Documents();
    const book = documents.book();
    documents.apply(book.declare([readings(1, 100)]).changes);
    documents.apply(book.declare([readings(101, 250), blocks([1, 9])]).changes);
    documents.apply(book.declare([readings(251, 300)]).changes);
    assert.deepEqual([...documents.gaps.keys()], ['000000000001', '000000000003']);
    const [gap] = book.list();
    assert.deepEqual(
      [gap.id, gap.last, gap.count, gap.positions, gap.timeFrom, gap.timeTo],
      [1, 4, 300, [1, 300], 1000, 300_000],
    );
    assert.deepEqual(documents.book().list(), book.list());
  });

  it('stay apart with something between them, another cause, another cover or another day', () => {
    const book = new Documents().book();
    book.declare([
      readings(1, 100),
      readings(102, 110),
      readings(111, 120, { cause: 'damaged' }),
      readings(121, 130, { coarsest: 900 }),
      readings(111, 120, { at: 11 * DAY }),
    ]);
    assert.equal(book.count, 5);
  });

  it('name blocks as ranges', () => {
    const book = new Documents().book();
    book.declare([blocks([10, 20], [1, 3]), blocks([4, 9]), blocks([30, 30])]);
    assert.deepEqual(book.list()[0].blocks, [
      [1, 20],
      [30, 30],
    ]);
    book.declare(Array.from({ length: MAX_GAP_RANGES + 1 }, (_, i) => blocks([100 + 2 * i, 100 + 2 * i])));
    assert.equal(book.count, 2, 'one that names too many ranges is followed by another');
  });

  it('are as they were when the commit fails, and numbers are given out again', () => {
    const book = new Documents().book();
    book.declare([readings(1, 100)]);
    const before = book.list();
    book.declare([readings(101, 110), blocks([1, 1])]).failed();
    assert.deepEqual(book.list(), before);
    book.declare([blocks([1, 1])]);
    assert.equal(book.list()[1].id, 2);
  });

  it('pass over a document that is no gap', () => {
    const book = new GapBook(WRITER, [{ id: 'x' }, undefined], 'y');
    book.declare([readings(1, 2)]);
    assert.deepEqual(
      book.list().map(({ id }) => id),
      [1],
    );
  });

  it('never are more than the limit; nothing is forgotten, and spans of a kind never overlap in part', () => {
    const loss = fc.oneof(
      fc
        .tuple(fc.nat(5_000), fc.nat(50), fc.constantFrom(10 * DAY, 11 * DAY))
        .map(([from, length, at]) => readings(from + 1, from + 1 + length, { at })),
      fc.tuple(fc.nat(500), fc.nat(5)).map(([from, length]) => blocks([from + 1, from + 1 + length])),
      fc.nat(100).map((from) => readings(from + 1, from + 1, { cause: 'damaged', series: [from + 1] })),
    );
    fc.assert(
      fc.property(
        fc.array(fc.array(loss, { minLength: 1, maxLength: 4 }), { maxLength: 60 }),
        fc.integer({ min: 3, max: 9 }),
        (commits, limit) => {
          const documents = new Documents();
          let book = documents.book(limit);
          const told: Gap[] = [];
          let count = 0;
          for (const [i, losses] of commits.entries()) {
            if (i % 7 === 6) book = documents.book(limit);
            documents.apply(book.declare(losses).changes);
            told.push(...book.list());
            count += losses.reduce((sum, { count: own }) => sum + own, 0);
            assert.ok(book.count <= limit);
            for (const value of documents.gaps.values()) gapSchema.parse(value);
          }
          assert.equal(
            book.list().reduce((sum, { count: own }) => sum + own, 0),
            count,
          );
          for (const a of told)
            for (const b of book.list()) {
              if (a.cause !== b.cause || a.what !== b.what || b.last < a.id || a.last < b.id) continue;
              assert.ok((b.id <= a.id && a.last <= b.last) || (a.id <= b.id && b.last <= a.last), 'nested or apart');
            }
        },
      ),
      { numRuns: 200 },
    );
  });
});
