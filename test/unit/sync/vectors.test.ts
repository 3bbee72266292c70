import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import {
  FrameCodec,
  decodeToken,
  encodeToken,
  enrolmentProof,
  parseTopic,
  proofHolds,
  tokenVerifier,
  type Identity,
} from '@tidegate/nodes/sync';
import { handmadeFrame } from './handmade-frame.ts';

const hex = z.string().regex(/^([0-9a-f]{2})*$/);
const pair = z.object({ private: hex, public: hex });
const identity = z.object({ sign: pair, agree: pair });
const framesFile = z.object({
  now: z.number(),
  incarnation: hex,
  gateway: identity,
  cloud: identity,
  frames: z.array(
    z.object({
      topic: z.string(),
      from: z.enum(['gateway', 'cloud']),
      stream: z.string().optional(),
      body: hex,
      frame: hex,
    }),
  ),
  compressed: z.object({ topic: z.string(), body: hex, frame: hex }),
});
const publicPair = z.object({ sign: hex, agree: hex });
const enrolmentFile = z.object({
  token: z.string(),
  fields: z.object({
    id: z.string(),
    secret: hex,
    tenant: z.string(),
    gateway: z.string(),
    broker: z.string(),
    cloudKeys: publicPair,
  }),
  gatewayKeys: publicPair,
  verifier: hex,
  proof: hex,
});

const read = (name: string): unknown =>
  JSON.parse(readFileSync(path.join(import.meta.dirname, '../../vectors', name), 'utf8'));
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const text = (raw: Uint8Array): string => Buffer.from(raw).toString('hex');
const identityOf = ({ sign, agree }: z.infer<typeof identity>): Identity => ({
  sign: { privateKey: bytes(sign.private), publicKey: bytes(sign.public) },
  agree: { privateKey: bytes(agree.private), publicKey: bytes(agree.public) },
});
const keysOf = ({ sign, agree }: z.infer<typeof publicPair>) => ({ sign: bytes(sign), agree: bytes(agree) });

const publicOf = ({ sign, agree }: Identity) => ({ sign: sign.publicKey, agree: agree.publicKey });

/** What the vectors take for random: key id 10 11 …, then nonce 30 31 …. */
function counting(): (size: number) => Uint8Array {
  let next = 0x10;
  return (size) => {
    const first = next;
    next += 0x20;
    return Uint8Array.from({ length: size }, (_, i) => first + i);
  };
}

describe('test vectors of the protocol', () => {
  const { now, incarnation, gateway, cloud, frames, compressed } = framesFile.parse(read('frames.json'));
  const ends = { gateway: identityOf(gateway), cloud: identityOf(cloud) };
  const clock = { now: () => now, monotonic: () => 0 };

  for (const { topic, from, stream, body, frame } of frames) {
    const sender = ends[from];
    const receiver = from === 'gateway' ? ends.cloud : ends.gateway;
    const address = parseTopic(topic)!;

    it(`${topic} is sealed to the very bytes`, () => {
      const intent = {
        incarnation: bytes(incarnation),
        includeKeys: address.type === 'hello',
        ...(stream === undefined ? {} : { stream }),
      };
      const codec = new FrameCodec(sender, clock, counting());
      assert.equal(text(codec.seal(address, intent, bytes(body), receiver.agree.publicKey)), frame);
    });

    it(`${topic} opens`, () => {
      const opened = new FrameCodec(receiver, clock).open(address, bytes(frame), () => publicOf(sender));
      assert.equal(text(opened.body), body);
      assert.equal(opened.header.stream, stream);
    });
  }

  it('a hand that knows only docs/protocol.md makes the same frame', () => {
    const { topic, stream, body, frame } = frames.find(({ topic }) => topic.endsWith('/live'))!;
    const header = { version: 1, incarnation: bytes(incarnation), number: now * 1024, stream, codec: 'none' };
    const made = { topic, sender: ends.gateway, receiver: ends.cloud.agree.publicKey, header, packed: bytes(body) };
    const random = counting();
    assert.equal(text(handmadeFrame({ ...made, keyId: random(8), nonce: random(24) })), frame);
  });

  it('a compressed frame opens', () => {
    const address = parseTopic(compressed.topic)!;
    const opened = new FrameCodec(ends.cloud, clock).open(address, bytes(compressed.frame), () =>
      publicOf(ends.gateway),
    );
    assert.equal(text(opened.body), compressed.body);
  });

  it('the token reads and writes, and the proof is the same', () => {
    const { token, fields, gatewayKeys, verifier, proof } = enrolmentFile.parse(read('enrolment.json'));
    const expected = { ...fields, secret: bytes(fields.secret), cloudKeys: keysOf(fields.cloudKeys) };
    const decoded = decodeToken(token);
    assert.deepEqual({ ...decoded, secret: text(decoded.secret), cloudKeys: null }, { ...fields, cloudKeys: null });
    assert.equal(encodeToken(expected), token);
    assert.equal(text(tokenVerifier(expected.secret)), verifier);
    assert.equal(text(enrolmentProof(expected.secret, 'plant', 'north', keysOf(gatewayKeys))), proof);
    assert.ok(proofHolds(bytes(verifier), bytes(proof), 'plant', 'north', keysOf(gatewayKeys)));
  });
});
