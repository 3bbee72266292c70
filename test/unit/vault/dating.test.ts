import assert from 'node:assert/strict';

import { dated, datings, newestTrusted, type Boot } from '@tidegate/nodes/vault';
import fc from 'fast-check';

const boot = (order: number, change: Partial<Boot> = {}): Boot => ({
  id: `b${order}`,
  order,
  first: 10_000,
  last: 20_000,
  ...change,
});
const at = (boots: Boot[], id: string, monotonic: number, current = 'none'): [number, string] | undefined => {
  const dating = datings(boots, current).get(id);
  if (dating === undefined) return undefined;
  const { time, quality } = dated(
    { series: 'a', time: monotonic, value: 1, quality: 'good', clock: 'gateway' },
    dating,
  );
  return [time, quality];
};

describe('dating by boots', () => {
  it('is exact in a boot that learnt the time, also for what came before it did', () => {
    assert.deepEqual(at([boot(1, { offset: 1e12 })], 'b1', 3), [1e12 + 3, 'good']);
  });

  it('waits while no later boot knows the time', () => {
    assert.equal(at([boot(1, { offset: 1e12 }), boot(2)], 'b2', 15_000), undefined);
  });

  it('waits in the boot that runs and is in doubt; in one of the past it is uncertain', () => {
    const boots = [boot(1, { offset: 1e12, doubtFrom: 15_000 })];
    assert.equal(at(boots, 'b1', 16_000, 'b1'), undefined);
    assert.deepEqual(at(boots, 'b1', 16_000), [1e12 + 16_000, 'uncertain']);
    assert.deepEqual(at(boots, 'b1', 14_000), [1e12 + 14_000, 'good']);
  });

  it('lays a boot that never learnt it in the middle between its neighbours', () => {
    const boots = [
      boot(1, { offset: 1e12, last: 20_000 }),
      boot(2),
      boot(3, { offset: 1e12 + 100_000, first: 10_000 }),
    ];
    // 90 s lie between them, of which the boot took 10 s: 40 s of pause on either side.
    assert.deepEqual(at(boots, 'b2', 10_000), [1e12 + 60_000, 'uncertain']);
    assert.deepEqual(at(boots, 'b2', 20_000), [1e12 + 70_000, 'uncertain']);
  });

  it('lays the first boot of all before the one that learnt it', () => {
    assert.deepEqual(at([boot(1), boot(2, { offset: 1e12 })], 'b1', 20_000), [1e12 + 10_000, 'uncertain']);
  });

  it('never touches the time of a device', () => {
    const dating = datings([boot(1, { offset: 1e12 })], '').get('b1')!;
    const own = { series: 'a', time: 7, value: 1, quality: 'good', clock: 'device' } as const;
    assert.deepEqual(dated(own, dating), own);
  });

  it('knows the newest time that was right', () => {
    assert.equal(newestTrusted([boot(1)]), undefined);
    assert.equal(
      newestTrusted([boot(1, { offset: 5e11 }), boot(2, { offset: 1e12, doubtFrom: 12_000 }), boot(3)]),
      1e12 + 12_000,
    );
  });

  it('keeps the order of all readings, within the boots’ brackets, whatever was learnt', () => {
    const found = fc.array(
      fc.record({
        length: fc.integer({ min: 0, max: 1e7 }),
        off: fc.integer({ min: 0, max: 1e8 }),
        knows: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(found, (lives) => {
        let real = 1.7e12;
        const boots: Boot[] = [];
        const truths = new Map<string, [number, number]>();
        for (const [i, { length, off, knows }] of lives.entries()) {
          real += off;
          truths.set(`b${i + 1}`, [real, real + length]);
          boots.push(boot(i + 1, { first: 5_000, last: 5_000 + length, ...(knows && { offset: real - 5_000 }) }));
          real += length;
        }
        let before = -Infinity;
        for (const { id, first, last, offset } of boots) {
          const [from, to] = [at(boots, id, first), at(boots, id, last)];
          if (from === undefined || to === undefined) continue;
          assert.ok(from[0] >= before - 1 && to[0] >= from[0]);
          before = to[0];
          if (offset === undefined) assert.equal(from[1], 'uncertain');
          else assert.deepEqual([from[0], to[0]], truths.get(id));
        }
      }),
    );
  });
});
