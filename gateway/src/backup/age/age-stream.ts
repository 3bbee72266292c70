/**
 * The payload of an age file (C2SP age.md, "Payload"): STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, 2015) with
 * ChaCha20-Poly1305 in chunks of 64 KiB. The nonce is an 11-byte counter and a byte that says which chunk is the last.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';

import { TideError } from '@tidegate/nodes/node';

export const CHUNK = 64 * 1024;
export const TAG = 16;
export const PAYLOAD_NONCE = 16;

export interface StreamState {
  /** Chunks that were sealed. */
  chunks: number;
  /** Plain bytes that are in no chunk yet, at most one chunk of them. */
  held: Uint8Array;
}

export const payloadKey = (fileKey: Uint8Array, nonce: Uint8Array): Uint8Array =>
  Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32));

/** Seals a payload piece by piece. Its state can be kept and taken up again. */
export class StreamSealer {
  private readonly key: Uint8Array;
  private chunks: number;
  private held: Uint8Array;

  constructor(key: Uint8Array, { chunks, held }: StreamState = { chunks: 0, held: new Uint8Array(0) }) {
    this.key = key;
    this.chunks = chunks;
    this.held = held;
  }

  get state(): StreamState {
    return { chunks: this.chunks, held: this.held };
  }

  /** The chunks that are full with this. A full chunk is held back as long as it might be the last one. */
  push(plain: Uint8Array): Uint8Array {
    const all = Buffer.concat([this.held, plain]);
    const sealed: Uint8Array[] = [];
    let at = 0;
    for (; all.length - at > CHUNK; at += CHUNK) sealed.push(this.seal(all.subarray(at, at + CHUNK), false));
    this.held = Uint8Array.from(all.subarray(at));
    return Buffer.concat(sealed);
  }

  end(): Uint8Array {
    const sealed = this.seal(this.held, true);
    this.held = new Uint8Array(0);
    return sealed;
  }

  private seal(plain: Uint8Array, last: boolean): Uint8Array {
    const cipher = createCipheriv('chacha20-poly1305', this.key, nonceOf(this.chunks++, last), { authTagLength: TAG });
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }
}

/** Opens a payload piece by piece. Throws TideError `altered` or `truncated`, which say where. */
export class StreamOpener {
  private readonly key: Uint8Array;
  private chunks = 0;
  private held: Uint8Array = new Uint8Array(0);

  constructor(key: Uint8Array) {
    this.key = key;
  }

  push(sealed: Uint8Array): Uint8Array {
    const all = Buffer.concat([this.held, sealed]);
    const plain: Uint8Array[] = [];
    let at = 0;
    for (; all.length - at > CHUNK + TAG; at += CHUNK + TAG)
      plain.push(this.mustOpen(all.subarray(at, at + CHUNK + TAG)));
    this.held = Uint8Array.from(all.subarray(at));
    return Buffer.concat(plain);
  }

  /** What is left is the last chunk, which says so of itself; it is empty only where the whole payload is. */
  end(): Uint8Array {
    const plain = this.held.length < TAG ? undefined : this.open(this.held, true);
    if (plain !== undefined && (plain.length > 0 || this.chunks === 0)) return plain;
    const whole = this.held.length >= TAG && this.open(this.held, false) !== undefined;
    if (whole || this.held.length < CHUNK + TAG)
      throw new TideError('truncated', `is cut off or altered at its end (after ${this.chunks * CHUNK} plain bytes)`);
    throw this.altered();
  }

  private mustOpen(sealed: Uint8Array): Uint8Array {
    const plain = this.open(sealed, false);
    if (plain === undefined) throw this.altered();
    this.chunks++;
    return plain;
  }

  private open(sealed: Uint8Array, last: boolean): Uint8Array | undefined {
    const decipher = createDecipheriv('chacha20-poly1305', this.key, nonceOf(this.chunks, last), {
      authTagLength: TAG,
    });
    decipher.setAuthTag(sealed.subarray(-TAG));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, -TAG)), decipher.final()]);
    } catch {
      // Does not open: the caller says what that means at this place.
      return undefined;
    }
  }

  private altered(): TideError {
    return new TideError(
      'altered',
      `was altered within its encrypted bytes ${this.chunks * (CHUNK + TAG)} to ${(this.chunks + 1) * (CHUNK + TAG)}`,
    );
  }
}

function nonceOf(counter: number, last: boolean): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(counter, 5, 6);
  nonce[11] = last ? 1 : 0;
  return nonce;
}
