import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeReceipts, encodeReceipts } from '../../../nodes/src/vault/receipt-codec.ts';

const receipt = (client: number, id: number, content: number): bigint =>
  (BigInt(client) << 32n) | (BigInt(id) << 16n) | BigInt(content);
const sorted = (receipts: Iterable<bigint>): bigint[] => [...receipts].toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
/** Spreads small integers over 32 bits (Knuth's multiplicative hash), as the hashes of clients and contents are. */
const spread = (n: number): number => Math.imul(n, 2_654_435_761) >>> 0;

/** Receipts in turn of `clients` that have sent `messages` each. */
const made = (clients: number, messages: number): bigint[] =>
  Array.from({ length: clients * messages }, (_, i) =>
    receipt(spread(i % clients), ((i % clients) * 700 + Math.floor(i / clients)) & 0xffff, spread(i) & 0xffff),
  );

describe('receipts as columns', () => {
  it('come back as they were', () => {
    const receipts = fc.array(
      fc.tuple(fc.nat(0xffff_ffff), fc.nat(0xffff), fc.nat(0xffff)).map(([c, i, h]) => receipt(c, i, h)),
    );
    fc.assert(
      fc.property(receipts, (all) => {
        assert.deepEqual(sorted(decodeReceipts(encodeReceipts(all))), sorted(all));
        assert.deepEqual(encodeReceipts(BigUint64Array.from(all)), encodeReceipts(all));
      }),
    );
  });

  it('come back when few clients repeat and wrap their packet identifiers', () => {
    const messages = fc.tuple(fc.nat(3), fc.constantFrom(0, 1, 2, 3, 65_533, 65_534, 65_535), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(messages), (all) => {
        const receipts = all.map(([c, i, h]) => receipt(c, i, h));
        assert.deepEqual(sorted(decodeReceipts(encodeReceipts(receipts))), sorted(receipts));
      }),
    );
  });

  it('keep the order of one client', () => {
    const receipts = [3, 4, 5, 9, 8, 65_535, 1].map((id) => receipt(77, id, spread(id) & 0xffff));
    assert.deepEqual([...decodeReceipts(encodeReceipts(receipts))], receipts);
  });

  it('take less than 3 bytes each for 100 clients with 10 messages, and 8 for one message each', () => {
    assert.equal(encodeReceipts(made(100, 10)).length, 1 + 3 + 100 * (4 + 2 + 2 + 20));
    assert.equal(encodeReceipts(made(1_000, 1)).length, 1 + 4 + 1_000 * 8);
    assert.equal(encodeReceipts([]).length, 2);
  });

  it('are refused with a reason when they are something else', () => {
    const bytes = encodeReceipts([receipt(1, 1, 1), receipt(1, 2, 2), receipt(2, 1, 1)]);
    const refused = { name: 'TideError', code: 'bad-receipts' };
    for (let end = 0; end < bytes.length; end++) assert.throws(() => decodeReceipts(bytes.subarray(0, end)), refused);
    assert.throws(() => decodeReceipts(Uint8Array.of(...bytes, 0)), refused);
    assert.throws(() => decodeReceipts(Uint8Array.of(2, 0)), refused);
    // Announces 2^45 clients, then 2^45 receipts of one.
    const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x07];
    assert.throws(() => decodeReceipts(Uint8Array.of(1, 1, ...huge, 0)), refused);
    assert.throws(() => decodeReceipts(Uint8Array.of(1, ...huge, 1, 0, 1, 2, 3, 4)), refused);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        try {
          decodeReceipts(Uint8Array.of(1, ...noise));
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'bad-receipts');
        }
      }),
    );
  });
});
