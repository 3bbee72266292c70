import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeHeader, openHeader, parseHeader } from '../../../gateway/src/backup/age/age-header.ts';
import { parseIdentities, parseRecipient } from '../../../gateway/src/backup/age/age-keys.ts';
import { CHUNK, payloadKey, StreamOpener, StreamSealer } from '../../../gateway/src/backup/age/age-stream.ts';
import { decodeBech32, encodeBech32 } from '../../../gateway/src/backup/age/bech32.ts';
import { ageKey } from '../../support/backup.ts';
import { temporaryDirectory } from '../../support/gateway.ts';
import { needTool } from '../../support/tools.ts';

const NONCE = Buffer.alloc(16, 7);
/** Around a chunk's end, where STREAM goes wrong when it does. */
const SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5];

/** A whole age file, its payload sealed in pieces of an odd size. */
async function ageFile(plain: Uint8Array, recipient: string): Promise<Buffer> {
  const { fileKey, header } = await makeHeader({ recipients: [parseRecipient(recipient)] });
  const sealer = new StreamSealer(payloadKey(fileKey, NONCE));
  const parts: Uint8Array[] = [header, NONCE];
  for (let at = 0; at < plain.length; at += 50_001) parts.push(sealer.push(plain.subarray(at, at + 50_001)));
  return Buffer.concat([...parts, sealer.end()]);
}

function opened(key: Uint8Array, sealed: Uint8Array): Buffer {
  const opener = new StreamOpener(key);
  return Buffer.concat([opener.push(sealed), opener.end()]);
}

const identities = (file: string): Parameters<typeof openHeader>[1] => ({
  identities: parseIdentities(readFileSync(file, 'utf8'), file),
});

describe('Bech32', () => {
  // BIP 173, "Test vectors".
  for (const text of [
    'A12UEL5L',
    'a12uel5l',
    'an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs',
    'abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw',
  ])
    it(`reads ${text.slice(0, 24)}`, () => assert.notEqual(decodeBech32(text), undefined));

  for (const text of [
    'split1checkupstagehandshakeupstreamerranterredcaperred2y9e2w',
    'A12uEL5L',
    '1qzzfhee',
    'x1b4n0q5v',
  ])
    it(`refuses ${text.slice(0, 24)}`, () => assert.equal(decodeBech32(text), undefined));

  it('gives back what it was given, and finds any single wrong character', () => {
    const data = Uint8Array.from({ length: 32 }, (_, i) => (i * 37) & 255);
    const text = encodeBech32('age', data);
    assert.deepEqual(decodeBech32(text), { prefix: 'age', data });
    for (let i = 4; i < text.length; i++)
      for (const other of 'qpzry9x8')
        if (text[i] !== other) assert.equal(decodeBech32(text.slice(0, i) + other + text.slice(i + 1)), undefined);
  });
});

describe('keys of age', () => {
  it('says what is wrong with a recipient', () => {
    for (const [text, reason] of [
      ['age1qqqq', /not a key/],
      ['ssh-ed25519 AAAA', /another kind/],
      ['AGE-SECRET-KEY-1QQQ', /secret key was given/],
    ] as const)
      assert.throws(() => parseRecipient(text), reason);
  });

  it('says what is wrong with a key file', () => {
    assert.throws(() => parseIdentities('# nothing\n', 'k'), /k holds no AGE-SECRET-KEY/);
    assert.throws(() => parseIdentities('# a\nage1x\n', 'k'), /k: line 2/);
    assert.throws(() => parseIdentities('age-encryption.org/v1\n', 'k'), /itself encrypted/);
  });
});

describe('payload of age', () => {
  const key = Buffer.alloc(32, 9);

  for (const size of SIZES)
    it(`opens what it sealed, ${size} bytes, and notices a byte less, more or other`, () => {
      const plain = Buffer.alloc(size, 5);
      const sealer = new StreamSealer(key);
      const sealed = Buffer.concat([sealer.push(plain), sealer.end()]);
      assert.deepEqual(opened(key, sealed), plain);
      assert.throws(() => opened(key, sealed.subarray(0, -1)), /cut off|altered/);
      assert.throws(() => opened(key, Buffer.concat([sealed, Buffer.alloc(1)])), /cut off|altered/);
      for (const at of [0, sealed.length >> 1, sealed.length - 1]) {
        const other = Buffer.from(sealed);
        other[at] ^= 1;
        assert.throws(() => opened(key, other), /cut off|altered/);
      }
      // Whole chunks missing at the end are no end.
      if (size > CHUNK) assert.throws(() => opened(key, sealed.subarray(0, CHUNK + 16)), { code: 'truncated' });
    });

  it('goes on from a state that was kept, to the very same bytes', () => {
    const plain = Buffer.from(Array.from({ length: 3 * CHUNK + 77 }, (_, i) => i & 255));
    const whole = new StreamSealer(key);
    const expected = Buffer.concat([whole.push(plain), whole.end()]);
    for (const cut of [0, 1, CHUNK, CHUNK + 1, 2 * CHUNK + 99]) {
      const first = new StreamSealer(key);
      const begin = first.push(plain.subarray(0, cut));
      const second = new StreamSealer(key, structuredClone(first.state));
      assert.deepEqual(Buffer.concat([begin, second.push(plain.subarray(cut)), second.end()]), expected);
    }
  });
});

describe('files of age', () => {
  const home = temporaryDirectory('age');
  after(() => home.remove());

  it('open with the stock tool, whatever their size', async function () {
    const age = needTool(this, 'age');
    const key = ageKey(home.path, 'key');
    const file = path.join(home.path, 'ours.age');
    for (const size of SIZES) {
      const plain = Buffer.alloc(size, 3);
      writeFileSync(file, await ageFile(plain, key.recipient));
      assert.deepEqual(execFileSync(age, ['-d', '-i', key.file, file]), plain, `${size} bytes`);
    }
  });

  it('of the stock tool open here, for several recipients', async function () {
    const age = needTool(this, 'age');
    const keys = ['one', 'two'].map((name) => ageKey(home.path, name));
    const plain = Buffer.alloc(CHUNK + 9, 1);
    const sealed = execFileSync(age, ['-e', ...keys.flatMap(({ recipient }) => ['-r', recipient])], { input: plain });
    const header = parseHeader(sealed);
    for (const { file } of keys) {
      const fileKey = await openHeader(header, { identities: parseIdentities(readFileSync(file, 'utf8'), file) });
      const nonce = sealed.subarray(header.length, header.length + 16);
      assert.deepEqual(opened(payloadKey(fileKey, nonce), sealed.subarray(header.length + 16)), plain);
    }
  });

  it('say which key or passphrase does not fit, and what was altered', async function () {
    needTool(this, 'age');
    const key = ageKey(home.path, 'mine');
    const other = ageKey(home.path, 'other');
    const sealed = await ageFile(Buffer.from('x'), key.recipient);
    await assert.rejects(openHeader(parseHeader(sealed), identities(other.file)), { code: 'wrong-key' });
    await assert.rejects(openHeader(parseHeader(sealed), { passphrase: 'a passphrase' }), { code: 'needs-identity' });
    const { header } = await makeHeader({ passphrase: 'a passphrase', workFactor: 10 });
    await openHeader(parseHeader(header), { passphrase: 'a passphrase' });
    await assert.rejects(openHeader(parseHeader(header), { passphrase: 'another one' }), { code: 'wrong-passphrase' });
    await assert.rejects(openHeader(parseHeader(header), identities(key.file)), { code: 'needs-passphrase' });
    const work = Buffer.from(header.toString().replace(' 10\n', ' 30\n'));
    await assert.rejects(openHeader(parseHeader(work), { passphrase: 'a passphrase' }), { code: 'too-much-work' });
    // One more stanza than the MAC knows of.
    const grown = Buffer.from(sealed.toString('latin1').replace('\n--- ', '\n-> a b\n\n--- '), 'latin1');
    await assert.rejects(openHeader(parseHeader(grown), identities(key.file)), { code: 'bad-header' });
    for (const [text, code] of [
      ['', 'not-age'],
      ['PK\u0003\u0004', 'not-age'],
      ['age-encryption.org/v2\n-> X\n', 'newer-format'],
      ['-----BEGIN AGE ENCRYPTED FILE-----\nYWdl', 'armoured'],
      ['age-encryption.org/v1\n-> X25519 ', 'bad-header'],
      ['age-encryption.org/v1\nhello\n', 'bad-header'],
    ] as const)
      assert.throws(() => parseHeader(Buffer.from(text)), { code }, text);
  });
});
