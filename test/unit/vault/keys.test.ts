import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { KeyHeader } from '../../../nodes/src/vault/keys/key-header.ts';
import { freshKeys, openHeader, ringOf } from '../../../nodes/src/vault/keys/keys.ts';
import { monthKey } from '../../../nodes/src/vault/keys/key-numbers.ts';
import { parseHeader } from '../../../nodes/src/vault/keys/file-header.ts';
import { TideError } from '../../../nodes/src/node/errors.ts';

/** Whether a header is known not to be as it was written: it opens as far as its keys do and says so, or not at all. */
function isFoundOut(header: KeyHeader, secret: string): boolean {
  try {
    return openHeader(header, secret).altered.length > 0;
  } catch (error) {
    if (error instanceof TideError && error.code === 'damaged') return true;
    throw error;
  }
}

describe('vault keys', () => {
  const hex = randomBytes(32).toString('hex');

  it('take 32 random bytes as they are and make guesses at a passphrase slow', () => {
    const base64 = Buffer.from(Array.from({ length: 48 }, (_, i) => (i * 37) % 256)).toString('base64');
    const methods = [hex, base64, 'correct horse battery']
      .map((secret) => freshKeys(secret, 0).header.locks[0].derivation)
      .map((derivation) => derivation.method);
    assert.deepEqual(methods, ['hkdf', 'hkdf', 'scrypt']);
    const { derivation } = freshKeys('manywordswithoutaspaceareapassphraseallthesame', 0).header.locks[0];
    assert.ok(derivation.method === 'scrypt' && derivation.N >= 2 ** 16);
  });

  for (const secret of [hex, 'a passphrase of some length ✓']) {
    it(`open with ${secret === hex ? 'the key' : 'the passphrase'} that made them, and with no other`, () => {
      const keys = freshKeys(secret, 0);
      const { header } = keys;
      const ring = ringOf(keys);
      const opened = openHeader(parseHeader(JSON.stringify(header), 'header'), secret);
      assert.deepEqual(opened.altered, []);
      const again = ringOf(opened);
      assert.deepEqual(again.recordKey(1), ring.recordKey(1));
      assert.deepEqual(again.nameHash('a'), ring.nameHash('a'));
      assert.equal(again.recordKey(2), undefined);
      for (const wrong of [randomBytes(32).toString('hex'), 'another passphrase', `${secret}x`])
        assert.throws(() => openHeader(header, wrong), { code: 'wrong-key' });
      assert.equal(JSON.stringify(header).includes(secret), false);
    });
  }

  it('tell a header that was altered from a wrong key', () => {
    const { header } = freshKeys(hex, 0);
    const wrapped = Buffer.from(header.keys[0].wrapped, 'base64');
    wrapped[30] ^= 1;
    const [first, second] = header.keys;
    const altered: KeyHeader[] = [
      { ...header, keys: [{ ...first, wrapped: wrapped.toString('base64') }, second] },
      {
        ...header,
        keys: [
          { ...first, id: second.id },
          { ...second, id: first.id },
        ],
      },
      { ...header, keys: [...header.keys, { ...second, id: monthKey(674, 0) }] },
      { ...header, generation: header.generation + 1 },
      { ...header, shredded: [{ id: monthKey(600, 0), at: 1 }] },
      { ...header, shredding: { before: 600, since: 1, journal: second.id } },
      { ...header, store: randomBytes(16).toString('base64') },
      { ...header, locks: [header.locks[0], header.locks[0]] },
      { ...header, locks: [{ ...header.locks[0], since: 1 }] },
      { ...header, mac: randomBytes(32).toString('base64') },
    ];
    for (const [i, one] of altered.entries()) assert.ok(isFoundOut(one, hex), `alteration ${i}`);
    assert.equal(isFoundOut(header, hex), false);
    assert.throws(() => openHeader(header, randomBytes(32).toString('hex')), { code: 'wrong-key' });
  });

  it('hash names under a key of their own, part by part', () => {
    const ring = ringOf(freshKeys(hex, 0));
    assert.equal(ring.nameHash('a').length, 16);
    assert.notDeepEqual(ring.nameHash('a', 'bc'), ring.nameHash('ab', 'c'));
    assert.notDeepEqual(ring.nameHash('a'), ringOf(freshKeys(hex, 0)).nameHash('a'));
  });
});

describe('key header', () => {
  const good = freshKeys(randomBytes(32).toString('hex'), 0).header;

  it('is refused when it is damaged, and says where', () => {
    const costly = { method: 'scrypt', salt: randomBytes(16).toString('base64'), N: 2 ** 40, r: 8, p: 1 };
    const cases: [string, RegExp][] = [
      ['', /vault\.keys: /],
      ['\0\0\0', /vault\.keys: /],
      [JSON.stringify({ ...good, sum: 'AA' }), /sum: not 8 bytes/],
      [JSON.stringify({ ...good, keys: [] }), /keys/],
      [JSON.stringify({ ...good, keys: [good.keys[0], { ...good.keys[1], id: 99 }] }), /no number of a data key/],
      [JSON.stringify({ ...good, locks: [{ ...good.locks[0], derivation: costly }] }), /derivation/],
      ['x'.repeat(600_000), /600000 bytes/],
    ];
    for (const [text, message] of cases)
      assert.throws(() => parseHeader(text, 'vault.keys'), { code: 'damaged', message });
  });

  it('of a later version is not taken for damage', () => {
    assert.throws(() => parseHeader('{"format":3}', 'vault.keys'), { code: 'newer-format', message: /format 3/ });
    assert.throws(() => parseHeader('{"format":1}', 'vault.keys'), { code: 'older-format', message: /format 1/ });
    // Only the number is not as it was written: the sum says so.
    assert.deepEqual(parseHeader(JSON.stringify({ ...good, format: 3 }), 'vault.keys'), good);
  });
});
