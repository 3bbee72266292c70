import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createKeys, unlock } from '../../../nodes/src/vault/keys/keys.ts';
import { parseHeader } from '../../../nodes/src/vault/keys/file-header.ts';

describe('vault keys', () => {
  const hex = randomBytes(32).toString('hex');

  it('take 32 random bytes as they are and make guesses at a passphrase slow', () => {
    const base64 = Buffer.from(Array.from({ length: 48 }, (_, i) => (i * 37) % 256)).toString('base64');
    const methods = [hex, base64, 'correct horse battery']
      .map((secret) => createKeys(secret).header.derivation)
      .map((derivation) => derivation.method);
    assert.deepEqual(methods, ['hkdf', 'hkdf', 'scrypt']);
    const { derivation } = createKeys('manywordswithoutaspaceareapassphraseallthesame').header;
    assert.ok(derivation.method === 'scrypt' && derivation.N >= 2 ** 15);
  });

  for (const secret of [hex, 'a passphrase of some length ✓']) {
    it(`open with ${secret === hex ? 'the key' : 'the passphrase'} that made them, and with no other`, () => {
      const { header, ring } = createKeys(secret);
      const again = unlock(parseHeader(JSON.stringify(header), 'header'), secret);
      assert.deepEqual(again.recordKey(1), ring.recordKey(1));
      assert.deepEqual(again.nameHash('a'), ring.nameHash('a'));
      assert.equal(again.recordKey(2), undefined);
      for (const wrong of [randomBytes(32).toString('hex'), 'another passphrase', `${secret}x`])
        assert.throws(() => unlock(header, wrong), { code: 'wrong-key' });
      assert.equal(JSON.stringify(header).includes(secret), false);
    });
  }

  it('tell a broken wrapping from a wrong key', () => {
    const { header } = createKeys(hex);
    const wrapped = Buffer.from(header.keys[0].wrapped, 'base64');
    wrapped[30] ^= 1;
    const broken = { ...header, keys: [{ id: 1, wrapped: wrapped.toString('base64') }] };
    assert.throws(() => unlock(broken, hex), { code: 'damaged' });
    assert.throws(() => unlock({ ...header, keys: [{ ...header.keys[0], id: 2 }] }, hex), { code: 'damaged' });
  });

  it('hash names under a key of their own, part by part', () => {
    const { ring } = createKeys(hex);
    assert.equal(ring.nameHash('a').length, 16);
    assert.notDeepEqual(ring.nameHash('a', 'bc'), ring.nameHash('ab', 'c'));
    assert.notDeepEqual(ring.nameHash('a'), createKeys(hex).ring.nameHash('a'));
  });
});

describe('key header', () => {
  const good = createKeys(randomBytes(32).toString('hex')).header;

  it('is refused when it is damaged, and says where', () => {
    const cases: [string, RegExp][] = [
      ['', /vault\.keys: /],
      ['\0\0\0', /vault\.keys: /],
      [JSON.stringify({ ...good, check: 'AA' }), /check: not 8 bytes/],
      [JSON.stringify({ ...good, keys: [] }), /keys/],
      [JSON.stringify({ ...good, derivation: { method: 'scrypt', salt: '', N: 2 ** 40, r: 8, p: 1 } }), /derivation/],
    ];
    for (const [text, message] of cases)
      assert.throws(() => parseHeader(text, 'vault.keys'), { code: 'damaged', message });
  });

  it('of a later version is not taken for damage', () => {
    assert.throws(() => parseHeader('{"format":2}', 'vault.keys'), { code: 'newer-format', message: /format 2/ });
  });
});
