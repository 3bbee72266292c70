import assert from 'node:assert/strict';
import { pauseBeforeAnew } from '../../../gateway/src/commands/anew.ts';

describe('a process that starts itself anew', () => {
  it('does so at once, and then not again for a minute', () => {
    assert.equal(pauseBeforeAnew({}, 1_000_000), 0);
    const env = { TIDEGATE_REPLACED_AT: '1000000' };
    assert.equal(pauseBeforeAnew(env, 1_010_000), 50_000);
    assert.equal(pauseBeforeAnew(env, 1_060_001), 0);
  });

  it('does not wait longer because the clock was set back, nor for what is no number', () => {
    assert.equal(pauseBeforeAnew({ TIDEGATE_REPLACED_AT: '1000000000000' }, 5_000), 60_000);
    assert.equal(pauseBeforeAnew({ TIDEGATE_REPLACED_AT: 'soon' }, 5_000), 0);
  });
});
