import assert from 'node:assert/strict';
import { stateOf } from '../../../nodes/src/sync/bridge-status.ts';
import { SyncProgress, progressText, remainingOf } from '../../../nodes/src/sync/sync-progress.ts';
import { SetClock } from './rig.ts';

const stream = (name: string, count: number) => ({
  stream: name,
  lowest: 1,
  highest: count,
  sealed: count,
  count,
  bytes: 100 * count,
});

describe('progress of syncing', () => {
  it('tells the finest windows of each purpose from all others', () => {
    const backlog = [
      stream('operations/60', 70),
      stream('operations/3600', 5),
      stream('billing/900', 2),
      stream('catalogue', 1),
    ];
    assert.deepEqual(
      remainingOf(backlog, ({ count }) => count),
      { coarse: 6, fine: 72 },
    );
  });

  it('counts from when a backlog began, with what is added meanwhile, and ends with it', () => {
    const progress = new SyncProgress(new SetClock());
    assert.equal(progress.observe({ coarse: 0, fine: 0 }), undefined);
    assert.deepEqual(progress.observe({ coarse: 10, fine: 90 }), {
      done: 0,
      total: 100,
      coarse: { done: 0, total: 10 },
      fine: { done: 0, total: 90 },
    });
    assert.deepEqual(progress.observe({ coarse: 0, fine: 60 })?.coarse, { done: 10, total: 10 });
    const { done, total, fine } = progress.observe({ coarse: 0, fine: 61 })!;
    assert.deepEqual([done, total, fine], [40, 101, { done: 30, total: 91 }]);
    assert.equal(progress.observe({ coarse: 0, fine: 0 }), undefined);
    assert.deepEqual(progress.observe({ coarse: 0, fine: 2 }), { done: 0, total: 2 });
  });

  it('says how long the rest takes only from a rate that it has measured', () => {
    const clock = new SetClock();
    const progress = new SyncProgress(clock);
    const at = (seconds: number, fine: number): number | undefined => {
      clock.time = 1_700_000_000_000 + seconds * 1000;
      return progress.observe({ coarse: 0, fine })?.leftMs;
    };
    assert.equal(at(0, 1000), undefined);
    assert.equal(at(5, 900), undefined, 'too early to tell');
    assert.equal(at(10, 800), 40_000, '20 a second');
    assert.equal(at(75, 800), undefined, 'nothing has come for a minute');
  });

  it('is said in few words, and never as done before it is', () => {
    assert.equal(progressText({ done: 999, total: 1000 }), '99 %');
    const both = { coarse: { done: 3, total: 3 }, fine: { done: 1, total: 3 } };
    assert.equal(progressText({ done: 4, total: 6, ...both }), 'coarse 100 %, fine 33 %');
    const texts = [40_000, 230_000, 7_000_000, 90_000_000, 900_000_000].map((leftMs) =>
      progressText({ done: 1, total: 2, leftMs }),
    );
    assert.deepEqual(texts, [
      '50 %, 40 s left',
      '50 %, 4 min left',
      '50 %, 117 min left',
      '50 %, 25 h left',
      '50 %, 11 days left',
    ]);
  });
});

describe('the state of the way to the cloud', () => {
  it('is a conflict only where nothing else has to be said first', () => {
    assert.equal(stateOf(undefined, true, true, 0), 'up-to-date');
    assert.equal(stateOf(undefined, true, true, 0, 'other bytes'), 'conflict');
    assert.equal(stateOf(undefined, true, true, 3, 'other bytes'), 'syncing');
    assert.equal(stateOf(undefined, false, false, 0, 'other bytes'), 'offline');
    assert.equal(stateOf(undefined, true, false, 0, 'other bytes'), 'connecting');
    assert.equal(stateOf('fenced', true, true, 0, 'other bytes'), 'error');
  });
});
