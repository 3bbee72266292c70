/** X25519 keys of age: recipients `age1…` (public) and identities `AGE-SECRET-KEY-1…` (private). */
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto';

import { TideError } from '@tidegate/nodes/node';

import { decodeBech32, encodeBech32 } from './bech32.ts';

const RECIPIENT = 'age';
const IDENTITY = 'age-secret-key-';
const KEY = 32;
/** RFC 8410: what stands before the raw key in DER. */
const PRIVATE_DER = Buffer.from('302e020100300506032b656e04220420', 'hex');
const PUBLIC_DER = Buffer.from('302a300506032b656e032100', 'hex');

export interface X25519Pair {
  publicKey: Uint8Array;
  privateKey: KeyObject;
}

/** The public key of a recipient. Throws a TideError `bad-recipient` that says what was found. */
export function parseRecipient(text: string): Uint8Array {
  const read = decodeBech32(text.trim());
  if (read?.prefix === RECIPIENT && read.data.length === KEY) return read.data;
  const shown = text.trim().slice(0, 24);
  if (read?.prefix === IDENTITY || /^AGE-SECRET-KEY-/i.test(text.trim()))
    throw new TideError(
      'bad-recipient',
      'a secret key was given as recipient: give the public key that belongs to it (age-keygen -y KEYFILE shows it), and treat the secret one as known to others',
    );
  if (/^(ssh-|age1[a-z0-9]+1)/.test(shown))
    throw new TideError(
      'bad-recipient',
      `recipient "${shown}…" is of another kind; allowed are age1… made by age-keygen`,
    );
  throw new TideError(
    'bad-recipient',
    `recipient "${shown}" is not a key, or a character of it is wrong; allowed are age1… made by age-keygen`,
  );
}

/** The key pairs in a key file as age-keygen writes it: one in a line, `#` begins a comment. */
export function parseIdentities(text: string, file: string): X25519Pair[] {
  if (text.startsWith('age-encryption.org/') || text.startsWith('-----BEGIN AGE'))
    throw new TideError(
      'bad-identity',
      `${file} is a key file that is itself encrypted; decrypt it first: age -d -o KEYFILE ${file}`,
    );
  const pairs: X25519Pair[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const key = line.trim();
    if (key === '' || key.startsWith('#')) continue;
    const read = decodeBech32(key);
    if (read?.prefix !== IDENTITY || read.data.length !== KEY)
      throw new TideError('bad-identity', `${file}: line ${i + 1} is no AGE-SECRET-KEY-1…, the only kind allowed`);
    pairs.push(pairOf(read.data));
  }
  if (pairs.length === 0) throw new TideError('bad-identity', `${file} holds no AGE-SECRET-KEY-1…`);
  return pairs;
}

export const recipientText = (publicKey: Uint8Array): string => encodeBech32(RECIPIENT, publicKey);

/** A pair for one message. */
export function ephemeralPair(): X25519Pair {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return { privateKey, publicKey: rawPublic(publicKey) };
}

/** Throws for a public key of small order, with which the secret would be all zero. */
export function sharedSecret(own: KeyObject, peer: Uint8Array): Uint8Array {
  const publicKey = createPublicKey({ key: Buffer.concat([PUBLIC_DER, peer]), format: 'der', type: 'spki' });
  return diffieHellman({ privateKey: own, publicKey });
}

function pairOf(raw: Uint8Array): X25519Pair {
  const privateKey = createPrivateKey({ key: Buffer.concat([PRIVATE_DER, raw]), format: 'der', type: 'pkcs8' });
  return { privateKey, publicKey: rawPublic(createPublicKey(privateKey)) };
}

const rawPublic = (key: KeyObject): Uint8Array =>
  Uint8Array.from(key.export({ format: 'der', type: 'spki' }).subarray(-KEY));
