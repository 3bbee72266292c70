/** Seals and opens frames (sync/frame.ts, docs/protocol.md). */
import { randomBytes, type KeyObject } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { z } from 'zod';
import type { Clock } from '../node/clock.ts';
import { reasonOf } from '../node/errors.ts';
import { decodeBody } from './body.ts';
import { encodeCbor } from './cbor.ts';
import { FrameError } from './frame-error.ts';
import { FrameKeys, KEY_ID_BYTES } from './frame-keys.ts';
import { MAX_BODY_BYTES, MAX_FRAME_BYTES, type Address, type FrameHeader } from './frame.ts';
import {
  KEY_BYTES,
  SIGNATURE_BYTES,
  privateKeyObject,
  signBytes,
  verifyBytes,
  type Identity,
  type PeerKeys,
  type RandomBytes,
} from './identity.ts';
import { PROTOCOL_VERSION, byteString, streamName } from './messages.ts';
import { topicOf } from './topics.ts';

const MAX_HEADER_BYTES = 1024;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
/** A body shorter than this does not get smaller. */
const WORTH_COMPRESSING = 96;

const bytes = (size: number) => byteString.refine((value) => value.length === size, `${size} bytes`);
const header = z.object({
  version: z.literal(PROTOCOL_VERSION),
  incarnation: bytes(16),
  number: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  stream: streamName.optional(),
  codec: z.enum(['none', 'deflate-raw']),
  keyId: bytes(KEY_ID_BYTES),
  nonce: bytes(NONCE_BYTES),
  keys: z.object({ sign: bytes(KEY_BYTES), agree: bytes(KEY_BYTES) }).optional(),
});

/** What the sender decides about a frame; the codec fills in the rest of the header. */
export interface FrameIntent {
  incarnation: Uint8Array;
  stream?: string;
  /** Put the sender's public keys into the header (hello). */
  includeKeys?: boolean;
}

export interface OpenedFrame {
  header: FrameHeader;
  body: Uint8Array;
}

export class FrameCodec {
  private readonly own: Identity;
  private readonly clock: Clock;
  private readonly random: RandomBytes;
  private readonly keys: FrameKeys;
  private readonly signKey: KeyObject;
  private number: number;

  constructor(own: Identity, clock: Clock, random: RandomBytes = randomBytes) {
    this.own = own;
    this.clock = clock;
    this.random = random;
    this.keys = new FrameKeys(own, random);
    this.signKey = privateKeyObject('sign', own.sign.privateKey);
    this.number = Math.max(0, Math.floor(clock.now())) * 1024;
  }

  /** Throws FrameError `too-large`. */
  seal(address: Address, frame: FrameIntent, body: Uint8Array, peerAgreeKey: Uint8Array): Uint8Array {
    if (body.length > MAX_BODY_BYTES)
      throw new FrameError('too-large', `a body of ${body.length} bytes, at most ${MAX_BODY_BYTES} are allowed`);
    const { id, key } = this.keys.toSend(peerAgreeKey, this.clock.now());
    const nonce = Uint8Array.from(this.random(NONCE_BYTES));
    const [codec, packed] = compress(body);
    const headerBytes = encodeCbor({
      version: PROTOCOL_VERSION,
      incarnation: frame.incarnation,
      number: this.number++,
      ...(frame.stream === undefined ? {} : { stream: frame.stream }),
      codec,
      keyId: id,
      nonce,
      ...(frame.includeKeys ? { keys: { sign: this.own.sign.publicKey, agree: this.own.agree.publicKey } } : {}),
    });
    const associated = associatedData(address, headerBytes);
    const sealed = xchacha20poly1305(key, nonce, associated).encrypt(packed);
    const signature = signBytes(this.signKey, Buffer.concat([associated, sealed]));
    const whole = envelope(headerBytes, sealed, signature);
    if (whole.length > MAX_FRAME_BYTES)
      throw new FrameError('too-large', `a frame of ${whole.length} bytes, at most ${MAX_FRAME_BYTES} are allowed`);
    return whole;
  }

  /**
   * Checks size, form, version, signature and seal, in this order, and only then inflates. `peer` says whose keys the
   * frame must bear, and throws (`unknown`) when nobody's.
   */
  open(address: Address, frame: Uint8Array, peer: (header: FrameHeader) => PeerKeys): OpenedFrame {
    if (frame.length > MAX_FRAME_BYTES)
      throw new FrameError('too-large', `a frame of ${frame.length} bytes, at most ${MAX_FRAME_BYTES} are allowed`);
    const [headerBytes, sealed, signature] = splitEnvelope(frame);
    const parsed = parseHeader(headerBytes);
    const { sign, agree } = peer(parsed);
    const associated = associatedData(address, headerBytes);
    if (!verifyBytes(this.keys.publicKey('sign', sign), Buffer.concat([associated, sealed]), signature))
      throw new FrameError('bad-signature', 'the signature is not the sender’s, or the frame was altered or moved');
    const key = this.keys.toReceive(agree, parsed.keyId);
    let packed: Uint8Array;
    try {
      packed = xchacha20poly1305(key, parsed.nonce, associated).decrypt(sealed);
    } catch (error) {
      throw new FrameError('bad-seal', 'the seal does not open with the keys of both ends', { cause: error });
    }
    return { header: parsed, body: parsed.codec === 'none' ? packed : inflate(packed) };
  }
}

function compress(body: Uint8Array): [FrameHeader['codec'], Uint8Array] {
  if (body.length < WORTH_COMPRESSING) return ['none', body];
  const packed = deflateRawSync(body);
  return packed.length < body.length ? ['deflate-raw', packed] : ['none', body];
}

function inflate(packed: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(packed, { maxOutputLength: MAX_BODY_BYTES });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
      throw new FrameError('too-large', `a body that inflates beyond ${MAX_BODY_BYTES} bytes`, { cause: error });
    throw new FrameError('malformed', `a body that does not inflate: ${reasonOf(error)}`, { cause: error });
  }
}

/** The topic, a zero byte, the header's length (4 bytes, big-endian), the header: what the seal is bound to and, with the sealed body behind it, what is signed. */
function associatedData(address: Address, headerBytes: Uint8Array): Buffer {
  const length = Buffer.alloc(5);
  length.writeUInt32BE(headerBytes.length, 1);
  return Buffer.concat([Buffer.from(topicOf(address)), length, headerBytes]);
}

function parseHeader(headerBytes: Uint8Array): FrameHeader {
  if (headerBytes.length > MAX_HEADER_BYTES)
    throw new FrameError(
      'too-large',
      `a header of ${headerBytes.length} bytes, at most ${MAX_HEADER_BYTES} are allowed`,
    );
  const loose = decodeBody(z.looseObject({ version: z.number(), codec: z.string() }), headerBytes);
  if (loose.version !== PROTOCOL_VERSION)
    throw new FrameError('bad-version', `protocol version ${loose.version}, this end speaks ${PROTOCOL_VERSION}`);
  if (loose.codec !== 'none' && loose.codec !== 'deflate-raw')
    throw new FrameError(
      'bad-codec',
      `codec ${JSON.stringify(loose.codec.slice(0, 40))}, none and deflate-raw are known`,
    );
  const result = header.safeParse(loose);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new FrameError('malformed', `header: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}

function envelope(headerBytes: Uint8Array, sealed: Uint8Array, signature: Uint8Array): Uint8Array {
  return Buffer.concat([
    Uint8Array.of(0x83),
    lengthOf(headerBytes),
    headerBytes,
    lengthOf(sealed),
    sealed,
    lengthOf(signature),
    signature,
  ]);
}

/** Initial bytes of a CBOR byte string, in the shortest form. */
function lengthOf({ length }: Uint8Array): Uint8Array {
  if (length < 24) return Uint8Array.of(0x40 | length);
  if (length < 0x100) return Uint8Array.of(0x58, length);
  if (length < 0x1_0000) return Uint8Array.of(0x59, length >> 8, length);
  return Uint8Array.of(0x5a, length >>> 24, length >> 16, length >> 8, length);
}

/** Reads the outer array by hand: nothing is allocated for a frame whose signature is still unchecked. */
function splitEnvelope(frame: Uint8Array): [headerBytes: Uint8Array, sealed: Uint8Array, signature: Uint8Array] {
  let at = 1;
  const part = (): Uint8Array => {
    const initial = frame[at++] ?? 0;
    const info = initial & 31;
    let length = info;
    const width = info < 24 ? 0 : info <= 26 ? 1 << (info - 24) : -1;
    if (initial >> 5 !== 2 || width < 0) throw new FrameError('malformed', 'a frame is three byte strings');
    if (width > 0) {
      length = 0;
      for (let i = 0; i < width; i++) length = length * 256 + (frame[at++] ?? 0);
    }
    if (length > frame.length - at) throw new FrameError('malformed', 'the frame ends too early');
    at += length;
    return frame.subarray(at - length, at);
  };
  if (frame[0] !== 0x83) throw new FrameError('malformed', 'a frame is a CBOR array of three byte strings');
  const parts: [Uint8Array, Uint8Array, Uint8Array] = [part(), part(), part()];
  if (at !== frame.length) throw new FrameError('malformed', `${frame.length - at} bytes after the frame`);
  if (parts[1].length < TAG_BYTES || parts[2].length !== SIGNATURE_BYTES)
    throw new FrameError('malformed', `a signature of ${parts[2].length} bytes, ${SIGNATURE_BYTES} are needed`);
  return parts;
}
