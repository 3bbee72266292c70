/**
 * Frame keys: HKDF-SHA256 (RFC 5869) over the X25519 secret of both ends. The salt is the key id that the header names,
 * the info binds direction and both public keys, so that a frame cannot be reflected to its sender.
 */
import { hkdfSync, type KeyObject } from 'node:crypto';
import { FrameError } from './frame-error.ts';
import { agree, privateKeyObject, publicKeyObject, type Identity, type KeyUse, type RandomBytes } from './identity.ts';
import { Lru } from './lru.ts';

export const KEY_ID_BYTES = 8;
/** A frame key is used for one UTC day at most, and for this many frames. */
export const FRAMES_PER_KEY = 1 << 20;
const DAY_MS = 86_400_000;
/** Peers and keys that are remembered; a forgotten one is derived again. */
const CACHED = 16_384;

interface SendingKey {
  id: Uint8Array;
  key: Uint8Array;
  day: number;
  frames: number;
}

export class FrameKeys {
  private readonly own: Identity;
  private readonly random: RandomBytes;
  private readonly agreeKey: KeyObject;
  private readonly secrets = new Lru<string, Uint8Array>(CACHED);
  private readonly publics = new Lru<string, KeyObject>(CACHED);
  private readonly receiving = new Lru<string, Uint8Array>(CACHED);
  private readonly sending = new Lru<string, SendingKey>(CACHED);

  constructor(own: Identity, random: RandomBytes) {
    this.own = own;
    this.random = random;
    this.agreeKey = privateKeyObject('agree', own.agree.privateKey);
  }

  /** The key to seal the next frame to this peer with. `now` is epoch milliseconds. */
  toSend(peer: Uint8Array, now: number): { id: Uint8Array; key: Uint8Array } {
    const name = text(peer);
    const day = Math.floor(now / DAY_MS);
    let current = this.sending.get(name);
    if (current === undefined || current.day !== day || current.frames >= FRAMES_PER_KEY) {
      const id = Uint8Array.from(this.random(KEY_ID_BYTES));
      current = { id, key: this.derive(peer, id, this.own.agree.publicKey, peer), day, frames: 0 };
      this.sending.set(name, current);
    }
    current.frames++;
    return current;
  }

  /** The key that the peer sealed a frame with. */
  toReceive(peer: Uint8Array, id: Uint8Array): Uint8Array {
    const name = text(peer) + text(id);
    let key = this.receiving.get(name);
    if (key === undefined) {
      key = this.derive(peer, id, peer, this.own.agree.publicKey);
      this.receiving.set(name, key);
    }
    return key;
  }

  /** A public key ready for use; building the key object costs more than the verification it serves. */
  publicKey(use: KeyUse, raw: Uint8Array): KeyObject {
    const name = use + text(raw);
    let key = this.publics.get(name);
    if (key === undefined) {
      try {
        key = publicKeyObject(use, raw);
      } catch (error) {
        throw new FrameError('unknown-key', 'a public key that is none', { cause: error });
      }
      this.publics.set(name, key);
    }
    return key;
  }

  private derive(peer: Uint8Array, id: Uint8Array, sender: Uint8Array, receiver: Uint8Array): Uint8Array {
    const info = Buffer.concat([Buffer.from('tide/v1 frame key\0'), sender, receiver]);
    return new Uint8Array(hkdfSync('sha256', this.secret(peer), id, info, 32));
  }

  private secret(peer: Uint8Array): Uint8Array {
    const name = text(peer);
    let secret = this.secrets.get(name);
    if (secret === undefined) {
      try {
        secret = agree(this.agreeKey, this.publicKey('agree', peer));
      } catch (error) {
        throw new FrameError('unknown-key', 'no secret can be agreed with this key', { cause: error });
      }
      this.secrets.set(name, secret);
    }
    return secret;
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
