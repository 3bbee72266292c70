import assert from 'node:assert/strict';
import { inBatches } from '../../../../nodes/src/vault/query/batches.ts';
import { planOf } from '../../../../nodes/src/vault/query/query-plan.ts';

const NOW = Date.UTC(2026, 4, 1, 12);
const DAY = 86_400_000;

describe('what a tide-query node reads', () => {
  it('is what it is set to', () => {
    assert.deepEqual(
      planOf({ series: ' a/**, b , ', span: '24h', resolution: '1h', output: 'stream', size: '50' }, {}, NOW),
      {
        request: { series: ['a/**', 'b'], from: NOW - DAY, to: NOW + 1, order: 'series', resolution: 3600 },
        output: 'stream',
        size: 50,
      },
    );
    const { request, size } = planOf({ series: 'a', span: 'custom', from: '-1d', to: '' }, {}, NOW);
    assert.deepEqual(request, { series: ['a'], from: NOW - DAY, to: Infinity, order: 'series', limit: 10_000 });
    assert.equal(size, 1000);
    assert.equal(planOf({ series: 'a' }, {}, NOW).request.from, NOW - DAY / 24);
    assert.equal(planOf({ series: 'a', span: 'all' }, {}, NOW).request.from, -Infinity);
  });

  it('is what a message says, its payload first', () => {
    const set = { series: 'a', span: '1h', resolution: '1m', limit: 5 };
    const { request } = planOf(
      set,
      { series: 'b', limit: 7, payload: { series: ['c'], resolution: 'raw', from: 5 } },
      NOW,
    );
    assert.deepEqual(request, { series: ['c'], from: 5, to: Infinity, order: 'series', limit: 7 });
    for (const payload of [NOW, 'text', [1, 2], Buffer.from('x'), null, new Date(), {}])
      assert.equal(planOf(set, { payload }, NOW).request.from, NOW - DAY / 24, typeof payload);
  });

  it('is refused where one message cannot hold it', () => {
    const wrong = { code: 'bad-query' };
    assert.throws(() => planOf({ series: 'a', limit: 100_001 }, {}, NOW), wrong);
    assert.equal(planOf({ series: 'a', limit: 100_001, output: 'stream' }, {}, NOW).request.limit, 100_001);
    for (const size of [1, 10_001, 2.5, 'x'])
      assert.throws(() => planOf({ series: 'a', size }, {}, NOW), { ...wrong, message: /2 to 10000 are/ });
    assert.throws(() => planOf({ series: 'a' }, { payload: { serie: 'b' } }, NOW), {
      ...wrong,
      message: /payload\.serie is not known/,
    });
  });
});

async function* pages(...lists: number[][]) {
  yield* lists;
}

async function batchesOf(size: number, ...lists: number[][]) {
  const all = [];
  for await (const { rows, index, last } of inBatches(pages(...lists), size)) all.push([rows, index, last]);
  return all;
}

describe('rows in batches', () => {
  it('have one size, and the last says that it is', async () => {
    assert.deepEqual(await batchesOf(2, [1], [2, 3, 4, 5], [], [6]), [
      [[1, 2], 0, false],
      [[3, 4], 1, false],
      [[5, 6], 2, true],
    ]);
    assert.deepEqual(await batchesOf(2, [1, 2, 3]), [
      [[1, 2], 0, false],
      [[3], 1, true],
    ]);
    assert.deepEqual(await batchesOf(2), [[[], 0, true]]);
    assert.deepEqual(await batchesOf(Infinity, [1, 2], [3]), [[[1, 2, 3], 0, true]]);
  });
});
