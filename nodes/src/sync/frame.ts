/**
 * A frame is a disposable envelope: CBOR `[header, sealed, signature]`, each a byte string, so that what is signed is
 * what was sent. header: CBOR map (FrameHeader). sealed: XChaCha20-Poly1305 of the compressed body; associated data is
 * the address followed by the header bytes. signature: Ed25519 over address, header and sealed. The address binds a frame
 * to its topic, so that it cannot be moved to another gateway's.
 */
import type { FrameType } from './messages.ts';

export interface Address {
  tenant: string;
  gateway: string;
  direction: 'up' | 'down';
  type: FrameType;
}

export interface FrameHeader {
  version: number;
  /** 16 bytes: the gateway's incarnation, also in frames from the cloud. */
  incarnation: Uint8Array;
  /** Increases with every frame of a sender: milliseconds at its start times 2^10 plus a counter. */
  number: number;
  /** Stream of the blocks within; only on live and fill. */
  stream?: string;
  codec: 'none' | 'deflate-raw';
  /** 8 bytes: names the frame key, which is derived from both ends' X25519 keys and this id. */
  keyId: Uint8Array;
  /** 24 bytes. */
  nonce: Uint8Array;
  /** Public keys of the sender, 32 bytes each; on hello only. */
  keys?: { sign: Uint8Array; agree: Uint8Array };
}

/** Largest frame either end takes, bytes; a larger one is refused before it is parsed. */
export const MAX_FRAME_BYTES = 1 << 20;
/** Largest body after decompression, bytes. */
export const MAX_BODY_BYTES = 8 << 20;
