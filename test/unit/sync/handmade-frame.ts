import { createPrivateKey, createPublicKey, diffieHellman, hkdfSync, randomBytes, sign } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { Encoder } from 'cbor-x';
import type { Identity } from '@tidegate/nodes/sync';

/**
 * A second, independent way to make a frame, written from docs/protocol.md: it lies where the caller tells it to, and
 * where it does not, the codec has to open what it made.
 */
export interface Handmade {
  topic: string;
  sender: Identity;
  /** X25519 public key of the receiver. */
  receiver: Uint8Array;
  header: Record<string, unknown>;
  /** The body as it goes under the seal: already compressed, or not. */
  packed: Uint8Array;
  keyId?: Uint8Array;
  nonce?: Uint8Array;
}

const encoder = new Encoder({ useRecords: false, variableMapSize: true, tagUint8Array: false });

export function handmadeFrame({ topic, sender, receiver, header, packed, ...given }: Handmade): Uint8Array {
  const keyId = given.keyId ?? randomBytes(8);
  const nonce = given.nonce ?? randomBytes(24);
  const headerBytes = encoder.encode({ ...header, keyId, nonce });
  const secret = diffieHellman({
    privateKey: createPrivateKey({
      key: jwk('X25519', sender.agree.publicKey, sender.agree.privateKey),
      format: 'jwk',
    }),
    publicKey: createPublicKey({ key: jwk('X25519', receiver), format: 'jwk' }),
  });
  const info = Buffer.concat([Buffer.from('tide/v1 frame key\0'), sender.agree.publicKey, receiver]);
  const key = new Uint8Array(hkdfSync('sha256', secret, keyId, info, 32));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(headerBytes.length);
  const bound = Buffer.concat([Buffer.from(topic), Buffer.alloc(1), length, headerBytes]);
  const sealed = xchacha20poly1305(key, nonce, bound).encrypt(packed);
  const signKey = createPrivateKey({
    key: jwk('Ed25519', sender.sign.publicKey, sender.sign.privateKey),
    format: 'jwk',
  });
  return encoder.encode([headerBytes, Buffer.from(sealed), sign(null, Buffer.concat([bound, sealed]), signKey)]);
}

function jwk(crv: string, publicKey: Uint8Array, privateKey?: Uint8Array): Record<string, string> {
  return { kty: 'OKP', crv, x: text(publicKey), ...(privateKey === undefined ? {} : { d: text(privateKey) }) };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
