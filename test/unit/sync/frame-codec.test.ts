import assert from 'node:assert/strict';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import type { Clock } from '@tidegate/nodes/node';
import {
  FrameCodec,
  FrameError,
  MAX_BODY_BYTES,
  MAX_FRAME_BYTES,
  makeIdentity,
  publicKeys,
  type Address,
  type FrameErrorCode,
} from '@tidegate/nodes/sync';
import { handmadeFrame } from './handmade-frame.ts';

const up: Address = { tenant: 'plant', gateway: 'north', direction: 'up', type: 'live' };
const topic = 'tide/v1/plant/north/up/live';
const incarnation = Uint8Array.from({ length: 16 }, (_, i) => i);

const header = { version: 1, incarnation, number: 5, stream: 'operations/60', codec: 'none' };

class SetClock implements Clock {
  time = 1_700_000_000_000;
  now = (): number => this.time;
  monotonic = (): number => this.time;
}

function ends() {
  const clock = new SetClock();
  const edge = makeIdentity();
  const cloud = makeIdentity();
  const gateway = new FrameCodec(edge, clock);
  const bridge = new FrameCodec(cloud, clock);
  const seal = (body: Uint8Array, address = up): Uint8Array =>
    gateway.seal(address, { incarnation, stream: 'operations/60' }, body, cloud.agree.publicKey);
  const open = (frame: Uint8Array, address = up): Uint8Array =>
    bridge.open(address, frame, () => publicKeys(edge)).body;
  return { clock, edge, cloud, gateway, bridge, seal, open };
}

function refused(code: FrameErrorCode, action: () => unknown): void {
  assert.throws(action, (error: unknown) => {
    assert.ok(error instanceof FrameError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  });
}

describe('frames', () => {
  it('open to the body that was sealed, whatever it is', () => {
    const { seal, open } = ends();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (body) => {
        assert.deepEqual([...open(seal(body))], [...body]);
      }),
      { numRuns: 60 },
    );
  });

  it('carry stream, incarnation and rising numbers, and the sender’s keys only when asked to', () => {
    const { gateway, bridge, edge, cloud } = ends();
    const read = (includeKeys: boolean) =>
      bridge.open(
        up,
        gateway.seal(
          up,
          { incarnation, stream: 'operations/60', includeKeys },
          Uint8Array.of(1),
          cloud.agree.publicKey,
        ),
        () => publicKeys(edge),
      ).header;
    const first = read(false);
    const second = read(true);
    assert.equal(first.stream, 'operations/60');
    assert.deepEqual([...first.incarnation], [...incarnation]);
    assert.equal(second.number, first.number + 1);
    assert.equal(first.keys, undefined);
    assert.deepEqual([...second.keys!.sign], [...edge.sign.publicKey]);
  });

  it('are refused under any other topic', () => {
    const { seal, open } = ends();
    const frame = seal(Uint8Array.of(1, 2, 3));
    for (const moved of [
      { gateway: 'south' },
      { tenant: 'other' },
      { type: 'fill' as const },
      { direction: 'down' as const, type: 'ack' as const },
    ])
      refused('bad-signature', () => open(frame, { ...up, ...moved }));
  });

  it('are refused when any single bit is turned', () => {
    const { seal, open } = ends();
    const frame = seal(Buffer.from('a body of some length, so that every part of the frame is there'));
    fc.assert(
      fc.property(fc.nat(frame.length * 8 - 1), (bit) => {
        const broken = Uint8Array.from(frame);
        broken[bit >> 3] ^= 1 << (bit & 7);
        assert.throws(() => open(broken), FrameError);
      }),
      { numRuns: 300 },
    );
  });

  it('are refused when cut off or lengthened', () => {
    const { seal, open } = ends();
    const frame = seal(Uint8Array.of(9));
    for (let length = 0; length < frame.length; length++) refused('malformed', () => open(frame.subarray(0, length)));
    refused('malformed', () => open(Buffer.concat([frame, Uint8Array.of(0)])));
  });

  it('are refused when somebody else signed or sealed them', () => {
    const { seal, bridge, edge } = ends();
    const frame = seal(Uint8Array.of(1));
    const stranger = makeIdentity();
    refused('bad-signature', () => bridge.open(up, frame, () => publicKeys(stranger)));
    refused('bad-seal', () =>
      bridge.open(up, frame, () => ({ sign: edge.sign.publicKey, agree: stranger.agree.publicKey })),
    );
  });

  it('do not open at their sender (no reflection)', () => {
    const { seal, gateway, edge, cloud } = ends();
    refused('bad-seal', () =>
      gateway.open(up, seal(Uint8Array.of(1)), () => ({ sign: edge.sign.publicKey, agree: cloud.agree.publicKey })),
    );
  });

  it('hand the header to whoever knows the keys, and pass on that nobody does', () => {
    const { seal, bridge } = ends();
    refused('unknown', () =>
      bridge.open(up, seal(Uint8Array.of(1)), () => {
        throw new FrameError('unknown', 'no gateway plant/north');
      }),
    );
  });

  it('use another key on another day, and old frames still open', () => {
    const { seal, open, clock, bridge, edge } = ends();
    const keyId = (frame: Uint8Array): string =>
      Buffer.from(bridge.open(up, frame, () => publicKeys(edge)).header.keyId).toString('hex');
    const first = seal(Uint8Array.of(1));
    const sameDay = seal(Uint8Array.of(1));
    clock.time += 86_400_000;
    const nextDay = seal(Uint8Array.of(2));
    assert.equal(keyId(first), keyId(sameDay));
    assert.notEqual(keyId(first), keyId(nextDay));
    assert.deepEqual([...open(first)], [1]);
  });

  it('say no to a public key of small order instead of agreeing on a known secret', () => {
    const { seal, bridge, edge } = ends();
    refused('unknown-key', () =>
      bridge.open(up, seal(Uint8Array.of(1)), () => ({ sign: edge.sign.publicKey, agree: new Uint8Array(32) })),
    );
  });

  it('are bounded before and after inflation', () => {
    const { seal, open } = ends();
    refused('too-large', () => open(new Uint8Array(MAX_FRAME_BYTES + 1)));
    refused('too-large', () => seal(new Uint8Array(MAX_BODY_BYTES + 1)));
    assert.equal(open(seal(new Uint8Array(MAX_BODY_BYTES))).length, MAX_BODY_BYTES);
  });

  it('open when another hand made them as docs/protocol.md says', () => {
    const { edge, cloud, open } = ends();
    const body = Buffer.from('made by hand');
    const frame = handmadeFrame({ topic, sender: edge, receiver: cloud.agree.publicKey, header, packed: body });
    assert.deepEqual([...open(frame)], [...body]);
  });

  const bent: [what: string, code: FrameErrorCode, header: Record<string, unknown>, packed: Uint8Array][] = [
    ['a bomb', 'too-large', { codec: 'deflate-raw' }, deflateRawSync(new Uint8Array(MAX_BODY_BYTES + 1))],
    ['a body that is not compressed though it says so', 'malformed', { codec: 'deflate-raw' }, Uint8Array.of(255, 1)],
    ['a later version', 'bad-version', { version: 2 }, Uint8Array.of(1)],
    ['an unknown codec', 'bad-codec', { codec: 'zstd' }, Uint8Array.of(1)],
    ['a number that is none', 'malformed', { number: 'many' }, Uint8Array.of(1)],
    ['a stream with a strange name', 'malformed', { stream: '../etc' }, Uint8Array.of(1)],
    ['an incarnation of 3 bytes', 'malformed', { incarnation: Uint8Array.of(1, 2, 3) }, Uint8Array.of(1)],
    ['a header of more than 1 kB', 'too-large', { filler: 'x'.repeat(1100) }, Uint8Array.of(1)],
    ['a header with a tag in it', 'malformed', { filler: /x/ }, Uint8Array.of(1)],
  ];
  for (const [what, code, change, packed] of bent) {
    it(`are refused with ${what}`, () => {
      const { edge, cloud, open } = ends();
      const made = { topic, sender: edge, receiver: cloud.agree.publicKey, header: { ...header, ...change }, packed };
      refused(code, () => open(handmadeFrame(made)));
    });
  }

  it('survive whatever bytes arrive', () => {
    const { open } = ends();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (noise, dressed) => {
        assert.throws(() => open(dressed ? Buffer.concat([Uint8Array.of(0x83, 0x58), noise]) : noise), FrameError);
      }),
      { numRuns: 500 },
    );
  });
});
