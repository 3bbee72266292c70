import assert from 'node:assert/strict';

import type { StreamBacklog } from '@tidegate/nodes/vault';
import { foldSummaries } from '@tidegate/nodes/summary';

import { DAY, LADDER, Measured, PARTS_A_DAY } from '../../../gateway/src/drill/backlog.ts';
import { CatchUp } from '../../../gateway/src/drill/catch-up.ts';
import { shapeOf } from '../../../gateway/src/drill/link-shape.ts';

const FINE = 'operations/60';
const HOURS = 'operations/3600';

/** Blocks `lowest` to `highest` of a stream wait. */
function waiting(stream: string, lowest: number, highest: number, count = highest - lowest + 1): StreamBacklog {
  return { stream, lowest, highest, sealed: highest, count, bytes: count * 100 };
}

describe('the course of a catch-up', () => {
  it('is told from looks at the outbox', () => {
    // 8 Mbit/s are a megabyte a second.
    const course = new CatchUp([waiting(HOURS, 1, 10), waiting(FINE, 1, 100)], shapeOf(8e6, 0), 1000, FINE);
    course.look([waiting(HOURS, 1, 10), waiting(FINE, 1, 100)], false, 0, 2000);
    assert.equal(course.connectedYet, false);
    course.look([waiting(HOURS, 1, 10, 4), waiting(FINE, 1, 100)], true, 0, 3000);
    assert.deepEqual([course.connected, course.completeAt(HOURS), course.done], [2, null, false]);
    course.look([waiting(FINE, 1, 100)], true, 500_000, 4000);
    assert.deepEqual([course.completeAt(HOURS), course.completeAt(FINE)], [3, null]);
    // Two blocks were sealed meanwhile: they are not of the gap.
    course.look([waiting(FINE, 40, 102, 50)], true, 1_500_000, 5000);
    assert.equal(course.fineSeconds, 1);
    assert.deepEqual(course.linkShare(), { whole: 0.75, fine: 1 });
    course.look([waiting(FINE, 101, 103)], true, 1_600_000, 6000);
    assert.deepEqual([course.completeAt(FINE), course.done, course.share], [5, true, 1]);
    // What comes afterwards is not counted.
    course.look([], true, 9_000_000, 9000);
    assert.deepEqual(course.linkShare(), { whole: 1_600_000 / 3_000_000, fine: 0.55 });
    assert.equal(course.fineSeconds, 2);
  });
});

describe('what the drill sends', () => {
  const measured = new Measured([4, 7, 9]);

  it('has every window of every series at each rung, on its grid', () => {
    for (const rung of LADDER) {
      const parts = measured.window(rung, 5 * DAY);
      assert.deepEqual(
        parts.map(({ series, windowStart }) => [series, windowStart]),
        [4, 7, 9].map((n) => [n, 5 * DAY]),
      );
      for (const { summary } of parts) {
        assert.equal(summary.count, rung);
        assert.ok(summary.first!.time >= 5 * DAY && summary.last!.time < 5 * DAY + rung * 1000);
      }
      assert.equal(PARTS_A_DAY[rung], 86_400 / rung);
    }
  });

  it('folds up: minutes to quarters, quarters to hours, hours to days', () => {
    const start = 7 * DAY;
    for (const [coarse, fine] of [
      [900, 60],
      [3600, 900],
      [86_400, 3600],
    ] as const) {
      const pieces = Array.from({ length: coarse / fine }, (_, i) => measured.window(fine, start + i * fine * 1000));
      for (const [n, { summary }] of measured.window(coarse, start).entries())
        assert.deepEqual(foldSummaries(pieces.map((parts) => parts[n].summary)), summary);
    }
  });
});
