import assert from 'node:assert/strict';
import {
  FrameCodec,
  SCHEMA_VERSION,
  decodeBody,
  encodeBody,
  enrolmentProof,
  hello,
  makeIdentity,
  makeToken,
  parseTopic,
  publicKeys,
  tokenVerifier,
  topicOf,
  welcome,
  type Address,
} from '@tidegate/nodes/sync';
import { FillTurns, LONGEST_WAIT_MS } from '../../../cloud-bridge/src/merge/fill-turns.ts';
import { RealCloud } from '../sync/real-cloud.ts';
import { SetClock } from '../sync/rig.ts';

describe('turns of gateways that come back', () => {
  let clock: SetClock;
  let turns: FillTurns;

  beforeEach(() => {
    clock = new SetClock();
    turns = new FillTurns(clock);
  });

  it('begin one after the other, fifty within a second', () => {
    const waits = Array.from({ length: 101 }, (_, gateway) => turns.waitOf(gateway, 1_000));
    assert.deepEqual([waits[0], waits[1], waits[50], waits[100]], [0, 20, 1_000, 2_000]);
  });

  it('are kept by whoever asks again, and nobody is pushed back by it', () => {
    turns.waitOf(1, 100);
    assert.equal(turns.waitOf(2, 100), 20);
    clock.time += 5;
    for (let again = 0; again < 1_000; again++) assert.equal(turns.waitOf(2, 100), 15);
    assert.equal(turns.waitOf(3, 100), 35);
    clock.time += 1_000;
    assert.equal(turns.waitOf(2, 100), 0, 'when it comes back later there may be no queue');
  });

  it('are not needed for a batch or two, nor taken by them', () => {
    turns.waitOf(1, 100);
    assert.equal(turns.waitOf(2, 8), 0);
    assert.equal(turns.waitOf(3, 9), 20);
  });

  it('never make a gateway wait longer than ten minutes', () => {
    for (let gateway = 0; gateway < 60_000; gateway++)
      assert.ok(turns.waitOf(gateway, 100) <= LONGEST_WAIT_MS, `gateway ${gateway}`);
  });
});

describe('a cloud to which many gateways come back at once', function () {
  this.timeout(30_000);

  it('gives those with a backlog their turns in WELCOME, and lets all others begin at once', async () => {
    const clock = new SetClock();
    const cloud = new RealCloud(clock);
    const waits = new Map<string, number>();
    try {
      const backlogs = { a: 500, b: 3, c: 500, d: 0, e: 9, f: 500 };
      for (const [gateway, sealed] of Object.entries(backlogs)) {
        const own = makeIdentity();
        const token = makeToken({ tenant: 'plant', gateway, cloudKeys: publicKeys(cloud.identity) });
        const { id, secret } = token;
        await cloud.store.addToken({ id, tenant: 'plant', gateway, verifier: tokenVerifier(secret), createdAt: 0 });
        const codec = new FrameCodec(own, clock);
        cloud.down = ({ topic, frame }) => {
          const address = parseTopic(topic)!;
          if (address.type !== 'welcome') return;
          const { body } = codec.open(address, frame, () => publicKeys(cloud.identity));
          waits.set(address.gateway, decodeBody(welcome, body).fillAfterMs ?? 0);
        };
        const address: Address = { tenant: 'plant', gateway, direction: 'up', type: 'hello' };
        const keys = publicKeys(own);
        const body = encodeBody(hello, {
          schema: SCHEMA_VERSION,
          software: 'hand-made 1',
          enrol: { token: id, proof: enrolmentProof(secret, 'plant', gateway, keys) },
          id: 1,
          session: 1,
          streams: { 'operations/60': { lowest: 1, sealed } },
          state: {},
        });
        const intent = { incarnation: Buffer.alloc(16, gateway), includeKeys: true };
        cloud.receive(topicOf(address), codec.seal(address, intent, body, cloud.identity.agree.publicKey));
        await cloud.drained();
      }
      assert.deepEqual(Object.fromEntries(waits), { a: 0, b: 0, c: 20, d: 0, e: 40, f: 60 });
    } finally {
      await cloud.close();
    }
  });
});
