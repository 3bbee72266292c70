import assert from 'node:assert/strict';
import fc from 'fast-check';
import { clientHalf, messageHalf, seedOf } from '../../../nodes/src/ingest/receipt.ts';
import { PendingReceipts, ReceiptSet, ReceiptWindow } from '../../../nodes/src/ingest/receipt-set.ts';

type Halves = [client: number, message: number];
/** Few different ones, so that they repeat; among them the one that looks like an empty place. */
const halves: fc.Arbitrary<Halves> = fc.tuple(
  fc.constantFrom(0, 1, 0xffff_ffff, 12_345),
  fc.constantFrom(0, 1, 65_536, 0xffff_ffff, 77),
);
const anyHalves: fc.Arbitrary<Halves> = fc.tuple(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff));
const key = ([client, message]: Halves): bigint => (BigInt(client) << 32n) | BigInt(message);

describe('receipts', () => {
  it('hold packet identifier and content apart, and client and source together', () => {
    const [source, client, topic] = ['ingest', 'sensor-7', 'site/a'].map(seedOf) as [
      ReturnType<typeof seedOf>,
      never,
      never,
    ];
    const half = messageHalf(topic, 65_535, Buffer.from('21.5'));
    assert.equal(half >>> 16, 65_535);
    assert.notEqual(half, messageHalf(topic, 65_535, Buffer.from('21.6')));
    assert.notEqual(half, messageHalf(seedOf('site/b'), 65_535, Buffer.from('21.5')));
    assert.equal(messageHalf(topic, 1, Buffer.from('21.5')) & 0xffff, half & 0xffff);
    assert.notEqual(clientHalf(source, client), clientHalf(client, source));
    assert.ok(clientHalf(source, client) >= 0);
  });

  it('spread the contents of 65,536 readings over the 16 bits as chance would', () => {
    const topic = seedOf('site/a');
    const seen = new Set<number>();
    for (let i = 0; i < 65_536; i++) seen.add(messageHalf(topic, 0, Buffer.from((i / 100).toFixed(2))));
    // 65,536 balls into as many urns leave 1/e of them empty; six standard deviations are about 0.5 %.
    assert.ok(Math.abs(seen.size / 65_536 - (1 - 1 / Math.E)) < 0.01, `${seen.size} different`);
  });

  it('form a set', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(halves, anyHalves), { maxLength: 500 }), fc.array(halves), (added, asked) => {
        const set = new ReceiptSet();
        const model = new Set<bigint>();
        for (const receipt of added) {
          set.add(...receipt);
          model.add(key(receipt));
          assert.equal(set.size, model.size);
        }
        for (const receipt of [...added, ...asked]) assert.equal(set.has(...receipt), model.has(key(receipt)));
        set.clear();
        for (const receipt of added) assert.equal(set.has(...receipt), false);
      }),
    );
  });

  it('stay in a window: the newest are known, twice as many as asked for are not', () => {
    const window = new ReceiptWindow(100);
    for (let i = 0; i < 1_000; i++) {
      window.add(7, i);
      for (const back of [0, 50, 99]) assert.equal(window.has(7, i - back), i >= back);
      assert.equal(window.has(7, i - 200), false);
    }
  });

  it('wait for their commit in order, and go to the vault as 64 bits', () => {
    fc.assert(
      fc.property(fc.array(anyHalves), halves, (all, asked) => {
        const pending = new PendingReceipts();
        for (const [i, receipt] of all.entries()) {
          pending.push(...receipt);
          if (i % 7 === 0) assert.ok(pending.has(...receipt));
        }
        assert.deepEqual([...pending.digests], all.map(key));
        assert.equal(
          pending.has(...asked),
          all.some((receipt) => key(receipt) === key(asked)),
        );
        const window = new ReceiptWindow(1_000);
        pending.addTo(window);
        for (const receipt of all) assert.ok(window.has(...receipt));
      }),
    );
  });
});
