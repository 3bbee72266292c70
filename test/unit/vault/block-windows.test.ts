import assert from 'node:assert/strict';
import { decodeBlock, encodeBlock, emptySummary, type Part } from '@tidegate/nodes/summary';
import fc from 'fast-check';
import { summaryStream, windowsOf } from '../../../nodes/src/vault/budget/block-windows.ts';

const part = fc.record({ series: fc.integer({ min: 1, max: 50 }), windowStart: fc.integer({ min: -1e9, max: 2e12 }) });

describe('the windows of a block', () => {
  it('are those of the parts that the summaries wrote into it', () => {
    const parts = fc.uniqueArray(part, {
      minLength: 1,
      maxLength: 60,
      selector: ({ series, windowStart }) => `${series} ${windowStart}`,
    });
    fc.assert(
      fc.property(parts, (given) => {
        const body = encodeBlock(given.map((one): Part => ({ ...one, summary: emptySummary() })));
        const starts = decodeBlock(body).map(({ windowStart }) => windowStart);
        assert.deepEqual(windowsOf(body), { from: Math.min(...starts), to: Math.max(...starts) });
      }),
    );
  });

  it('are unknown for whatever else lies in a block', () => {
    assert.equal(windowsOf(new Uint8Array(0)), undefined);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = windowsOf(bytes);
        assert.ok(found === undefined || found.from <= found.to);
      }),
    );
  });

  it('have the resolution and the purpose that the stream names', () => {
    assert.deepEqual(summaryStream('operations/60'), { purpose: 'operations', resolution: 60 });
    assert.deepEqual(summaryStream('a/b/86400'), { purpose: 'a/b', resolution: 86_400 });
    for (const other of ['catalogue', 'operations/0', '/60', 'a/060']) assert.equal(summaryStream(other), undefined);
  });
});
