import assert from 'node:assert/strict';
import { spanText, VaultWatch, vaultWarnings } from '../../../nodes/src/vault/vault-warnings.ts';

const DAY = 86_400_000;
const well = {
  damaged: 0,
  clock: { trusted: true, undated: 0 },
  quota: { bytes: 4e9, used: 3e9 },
  timeToFullMs: 60 * DAY,
};

describe('warnings of a vault', () => {
  it('are none while all is well, and while nothing is known', () => {
    assert.deepEqual(vaultWarnings(well), []);
    assert.deepEqual(vaultWarnings({ damaged: 0 }), []);
  });

  it('say how long there is room, which records are lost and whether the clock is right', () => {
    const warnings = vaultWarnings({
      ...well,
      damaged: 12,
      timeToFullMs: 3 * DAY,
      clock: { trusted: false, undated: 0 },
    });
    assert.deepEqual(
      warnings.map(({ text }) => text),
      [
        'the vault is full in 3 days at the present rate (3,000 of 4,000 MB taken)',
        'the clock is not trusted',
        '12 records could not be opened and were set aside',
      ],
    );
  });

  it('are told once, when they begin, get worse or come back', () => {
    const watch = new VaultWatch();
    const told = (change: Partial<typeof well>): string[] => watch.look({ ...well, ...change }).fresh;
    assert.deepEqual(told({}), []);
    assert.equal(told({ timeToFullMs: 6 * DAY }).length, 1);
    assert.deepEqual(told({ timeToFullMs: 3 * DAY }), []);
    assert.match(told({ timeToFullMs: DAY / 2 })[0], /full in 12 hours/);
    assert.match(told({ timeToFullMs: 0 })[0], /full now/);
    assert.deepEqual(told({}), []);
    assert.equal(told({ timeToFullMs: 6 * DAY }).length, 1);
    assert.match(told({ damaged: 1 })[0], /^1 record could/);
    assert.deepEqual(told({ damaged: 1 }), []);
    assert.match(told({ damaged: 2 })[0], /^2 records could/);
  });

  it('show the worst under the node', () => {
    const watch = new VaultWatch();
    assert.deepEqual(watch.look(well).status, { fill: 'green', shape: 'dot', text: 'open' });
    const { status } = watch.look({ ...well, damaged: 1, clock: { trusted: false, undated: 9 } });
    assert.deepEqual([status.fill, status.text], ['yellow', 'the clock is not trusted; 9 readings wait to be dated']);
  });

  it('write spans in whole units', () => {
    for (const [ms, text] of [
      [60_000, '1 minute'],
      [7_199_000, '119 minutes'],
      [7_200_000, '2 hours'],
      [47.9 * 3_600_000, '47 hours'],
      [2 * DAY, '2 days'],
      [4000 * DAY, '4,000 days'],
    ] as const)
      assert.equal(spanText(ms), text);
  });
});
