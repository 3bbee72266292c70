import assert from 'node:assert/strict';

import fc from 'fast-check';

import { LinkDirection, PACKET_BYTES } from '../../../gateway/src/drill/link-direction.ts';
import { linkText, parseLink, shapeOf, type LinkShape } from '../../../gateway/src/drill/link-shape.ts';

/** 8 Mbit/s are 1,000 bytes a millisecond. */
const SHAPE: LinkShape = { bitsPerSecond: 8e6, delayMs: 50, bufferBytes: 10_000 };

describe('one direction of a shaped link', () => {
  it('delivers after its own time on the line and the delay', () => {
    const link = new LinkDirection<string>(SHAPE);
    link.put(new Uint8Array(1000), 'a', 100);
    assert.equal(link.nextArrival(), 151);
    assert.deepEqual(link.take(150.9), []);
    assert.equal(link.take(151).length, 1);
    assert.equal(link.nextArrival(), Infinity);
  });

  it('cuts what is large into packets, which arrive one after the other', () => {
    const link = new LinkDirection<string>(SHAPE);
    link.put(
      Uint8Array.from({ length: 4000 }, (_, i) => i % 251),
      'a',
      0,
    );
    assert.deepEqual(
      link.take(50 + (2 * PACKET_BYTES) / 1000).map(({ bytes }) => bytes.length),
      [PACKET_BYTES, PACKET_BYTES],
    );
    const [rest] = link.take(54);
    assert.deepEqual([rest.bytes.length, rest.bytes[0]], [4000 - 2 * PACKET_BYTES, (2 * PACKET_BYTES) % 251]);
  });

  it('carries what it can and no more, however it is offered, and keeps the order', () => {
    const sizes = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 1, max: 5000 })), {
      minLength: 1,
    });
    fc.assert(
      fc.property(sizes, (offers) => {
        const link = new LinkDirection<number>(SHAPE);
        let now = 0;
        let total = 0;
        for (const [i, [pause, size]] of offers.entries()) {
          now += pause;
          link.put(new Uint8Array(size), i, now);
          total += size;
        }
        assert.equal(link.carried, total);
        // In each span the line carries its pace: nothing of the time that passed unused is made up for.
        let arrived = 0;
        let latest = -1;
        for (let at = 0; arrived < total; at++) {
          const packets = link.take(at);
          const bytes = packets.reduce((sum, packet) => sum + packet.bytes.length, 0);
          assert.ok(bytes <= 1000 + PACKET_BYTES, `${bytes} bytes in a millisecond`);
          for (const { to } of packets) {
            assert.ok(to >= latest, 'in order');
            latest = to;
          }
          arrived += bytes;
          assert.ok(at < now + 60 + total / 1000, 'all of it arrives in time');
        }
      }),
      { numRuns: 100 },
    );
  });

  it('says how much waits, and when there is room again', () => {
    const link = new LinkDirection<string>(SHAPE);
    assert.equal(link.roomAt(0), 0);
    link.put(new Uint8Array(12_000), 'a', 0);
    assert.equal(Math.round(link.queued(0)), 12_000);
    // Full until half of the buffer is free: 7,000 bytes have left by then.
    assert.equal(Math.round(link.roomAt(0)), 7);
    assert.equal(link.roomAt(7), 7);
    assert.equal(Math.round(link.queued(12)), 0);
  });

  it('lets the end of a connection arrive behind its last bytes', () => {
    const link = new LinkDirection<string>(SHAPE);
    link.put(new Uint8Array(2000), 'a', 0);
    link.put(new Uint8Array(), 'a', 0);
    assert.deepEqual(
      link.take(100).map(({ bytes }) => bytes.length),
      [PACKET_BYTES, 2000 - PACKET_BYTES, 0],
    );
  });

  it('loses what is under way when it is cut, and is free afterwards', () => {
    const link = new LinkDirection<string>(SHAPE);
    link.put(new Uint8Array(9000), 'a', 0);
    link.drop(2);
    assert.deepEqual(link.take(1000), []);
    link.put(new Uint8Array(1000), 'b', 2);
    assert.equal(link.nextArrival(), 53);
  });
});

describe('the shape of a link', () => {
  it('is read from capacity and delay', () => {
    assert.deepEqual(parseLink('10mbit,50ms'), { bitsPerSecond: 1e7, delayMs: 50, bufferBytes: 312_500 });
    assert.equal(parseLink('256kbit/s,300ms').bitsPerSecond, 256_000);
    assert.equal(linkText(shapeOf(1e7, 50)), '10 Mbit/s, 50 ms');
    assert.equal(linkText(shapeOf(256_000, 300)), '256 kbit/s, 300 ms');
  });

  it('is refused with what is allowed', () => {
    for (const wrong of ['', '10', '10mbit', '10mbit,5s', '0mbit,5ms', '99gbit,1ms', '1mbit,99999ms', '-1mbit,5ms'])
      assert.throws(() => parseLink(wrong), { code: 'usage', message: /--link: found .*allowed/ }, wrong);
  });
});
