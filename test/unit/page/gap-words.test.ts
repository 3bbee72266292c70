import assert from 'node:assert/strict';

import type { GapView } from '@tidegate/cloud-bridge';

import { coveredBy, isGone, lostWhat, lostWhy, ofWhich } from '../../../cloud-bridge/src/page/gap-words.ts';

const gap = (change: Partial<GapView>): GapView => ({
  at: 0,
  cause: 'quota',
  what: 'readings',
  count: 1200,
  timeFrom: 0,
  timeTo: 1,
  stream: null,
  blocks: [],
  blocksHere: 0,
  series: 'all',
  coarsest: 60,
  ...change,
});
const said = (view: GapView): string => `${lostWhat(view)} ${ofWhich(view)}: ${lostWhy(view)}; ${coveredBy(view)}`;

describe('the page on what was lost', () => {
  it('says how much, why, and what is left of it', () => {
    assert.equal(
      said(gap({})),
      '1,200 readings of all series: Given up because the room on the device ran out; summaries of 1 min cover it',
    );
    assert.match(said(gap({ coarsest: null, count: 1, cause: 'damaged' })), /^1 reading .*Damaged.*nothing covers/);
    assert.match(
      said(gap({ coarsest: null, cause: 'shredded' })),
      /Destroyed .*; what had been sent before stays here$/,
    );
    assert.match(
      said(gap({ coarsest: null, cause: 'overrun' })),
      /before a flow .*; summaries may hold them all the same, whole or in part$/,
    );
    assert.match(said(gap({ count: null, series: null })), /^some readings/);
  });

  it('does not call lost what had arrived', () => {
    const blocks = gap({ what: 'blocks', stream: 'operations/60', count: 9, blocks: [[1, 9]], blocksHere: 4 });
    assert.equal(lostWhat(blocks), '5 blocks');
    assert.equal(isGone({ ...blocks, coarsest: null }), true);
    assert.equal(isGone({ ...blocks, coarsest: null, blocksHere: 9 }), false);
    assert.equal(isGone(blocks), false);
  });

  it('names few series, and counts the others', () => {
    assert.equal(ofWhich(gap({ series: ['a', 'b', 'c'] })), 'of a, b, c');
    assert.equal(ofWhich(gap({ series: ['a', 'b', 'c', 'd'] })), 'of a, b and 2 more');
  });
});
