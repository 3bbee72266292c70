import assert from 'node:assert/strict';
import { Deliveries } from '@tidegate/nodes/vault';

describe('Deliveries', () => {
  let now: number;
  let deliveries: Deliveries;

  beforeEach(() => {
    now = 0;
    deliveries = new Deliveries({ now: () => now, monotonic: () => now });
  });

  it('hold nothing back while one source brings its readings in order', () => {
    deliveries.watch('a', () => undefined);
    deliveries.handOver('a', 10);
    assert.equal(deliveries.floor(), Infinity);
  });

  it('hold back what a source has not handed over', () => {
    deliveries.watch('a', () => undefined);
    deliveries.watch('b', () => 7);
    assert.equal(deliveries.floor(), 7);
  });

  it('hold back what may still be on its way when two sources feed the same flow', () => {
    deliveries.handOver('a', 10);
    now = 1_000;
    deliveries.handOver('b', 5);
    assert.equal(deliveries.floor(), 5);
    now = 11_000;
    deliveries.handOver('a', 30);
    assert.equal(deliveries.floor(), 5);
    now = 12_000;
    assert.equal(deliveries.floor(), 30);
    now = 25_000;
    assert.equal(deliveries.floor(), Infinity);
  });

  it('stay small however much is handed over', () => {
    for (now = 0; now < 1_000_000; now += 10) deliveries.handOver(now % 20 === 0 ? 'a' : 'b', now + 1);
    assert.ok(deliveries.floor() >= 1_000_000 - 11_000);
    const { handedOver } = deliveries as unknown as { handedOver: unknown[] };
    assert.ok(handedOver.length < 100, `${handedOver.length} batches are remembered`);
  });
});
