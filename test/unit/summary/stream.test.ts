import assert from 'node:assert/strict';
import { parseResolutions, purposeOf, resolutionOf, resolutionText, streamOf } from '@tidegate/nodes/summary';

describe('streams and resolutions', () => {
  it('names a stream by purpose and resolution, and reads both back', () => {
    assert.equal(streamOf('operations', 60), 'operations/60');
    assert.equal(resolutionOf('operations/60'), 60);
    assert.equal(purposeOf('site/a/operations/86400'), 'site/a/operations');
    for (const stream of [
      'catalogue',
      'operations',
      'operations/',
      'operations/0',
      'operations/060',
      'operations/86401',
      'operations/1e2',
    ]) {
      assert.equal(resolutionOf(stream), undefined, stream);
      assert.equal(purposeOf(stream), undefined, stream);
    }
  });

  it('reads lists of window lengths', () => {
    assert.deepEqual(parseResolutions('1m'), [60]);
    assert.deepEqual(parseResolutions(' 1d, 1h 15m,60, 1m '), [60, 900, 3600, 86_400]);
    assert.deepEqual([60, 900, 3600, 86_400, 90].map(resolutionText), ['1m', '15m', '1h', '1d', '90s']);
  });

  it('says what is wrong with a list', () => {
    for (const [text, reason] of [
      ['', /no window length/],
      ['0', /"0" is not a window length/],
      ['2d', /"2d" is not/],
      ['1w', /"1w" is not/],
      ['1m, soon', /"soon" is not/],
      ['1 2 3 4 5 6 7 8 9', /at most 8/],
    ] as const)
      assert.match(String(parseResolutions(text)), reason);
  });
});
