/**
 * The keys of one end: Ed25519 to sign (RFC 8032), X25519 to agree on frame keys (RFC 7748). All keys are the raw 32
 * bytes; node:crypto wants them wrapped in DER (RFC 8410), which is a fixed prefix for each kind.
 */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  randomBytes,
  sign as cryptoSign,
  verify as cryptoVerify,
  type KeyObject,
} from 'node:crypto';
import { TideError } from '../node/errors.ts';

export interface KeyPair {
  publicKey: Uint8Array;
  privateKey: Uint8Array;
}

export interface Identity {
  sign: KeyPair;
  agree: KeyPair;
}

/** Public keys of the other end. */
export interface PeerKeys {
  sign: Uint8Array;
  agree: Uint8Array;
}

export type RandomBytes = (size: number) => Uint8Array;

export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

const PREFIX = {
  sign: { private: '302e020100300506032b657004220420', public: '302a300506032b6570032100' },
  agree: { private: '302e020100300506032b656e04220420', public: '302a300506032b656e032100' },
} as const;

export type KeyUse = keyof typeof PREFIX;

/** New keys. `random` is there for test vectors. */
export function makeIdentity(random: RandomBytes = randomBytes): Identity {
  return { sign: makePair('sign', random), agree: makePair('agree', random) };
}

export function publicKeys(identity: Identity): PeerKeys {
  return { sign: identity.sign.publicKey, agree: identity.agree.publicKey };
}

export function privateKeyObject(use: KeyUse, raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: der(PREFIX[use].private, raw), format: 'der', type: 'pkcs8' });
}

export function publicKeyObject(use: KeyUse, raw: Uint8Array): KeyObject {
  return createPublicKey({ key: der(PREFIX[use].public, raw), format: 'der', type: 'spki' });
}

export function signBytes(key: KeyObject, bytes: Uint8Array): Uint8Array {
  return cryptoSign(null, bytes, key);
}

export function verifyBytes(key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_BYTES && cryptoVerify(null, bytes, key, signature);
}

/** The shared secret of two X25519 keys. Throws for a public key of small order (the secret would be all zero). */
export function agree(own: KeyObject, peer: KeyObject): Uint8Array {
  return diffieHellman({ privateKey: own, publicKey: peer });
}

function makePair(use: KeyUse, random: RandomBytes): KeyPair {
  const privateKey = Uint8Array.from(random(KEY_BYTES));
  const spki = createPublicKey(privateKeyObject(use, privateKey)).export({ format: 'der', type: 'spki' });
  return { publicKey: Uint8Array.from(spki.subarray(-KEY_BYTES)), privateKey };
}

function der(prefix: string, raw: Uint8Array): Buffer {
  if (raw.length !== KEY_BYTES) throw new TideError('bad-key', `a key of ${raw.length} bytes, ${KEY_BYTES} are needed`);
  return Buffer.concat([Buffer.from(prefix, 'hex'), raw]);
}
