import assert from 'node:assert/strict';
import { BoundedCache } from '@tidegate/nodes/reading';

describe('a bounded cache', () => {
  it('holds the newest keys, and at most twice as many', () => {
    const cache = new BoundedCache<string, number>(10);
    for (let i = 0; i < 1_000; i++) {
      cache.set(`k${i}`, i);
      assert.ok(cache.size <= 20, `${cache.size} of 10 keys`);
    }
    for (let i = 990; i < 1_000; i++) assert.equal(cache.get(`k${i}`), i);
    assert.equal(cache.get('k0'), undefined);
  });

  it('keeps what is used, and never a key that is too long', () => {
    const cache = new BoundedCache<string, number>(10, 100);
    cache.set('used', 1);
    for (let i = 0; i < 100; i++) {
      cache.set('x'.repeat(100) + i, i);
      cache.set(`k${i}`, i);
      assert.equal(cache.get('used'), 1);
    }
    cache.set('x'.repeat(100), 7);
    assert.equal(cache.get('x'.repeat(100)), 7, 'as long as may be');
    assert.equal(cache.get(`${'x'.repeat(100)}99`), undefined);
  });
});
