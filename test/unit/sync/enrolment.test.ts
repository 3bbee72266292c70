import assert from 'node:assert/strict';
import fc from 'fast-check';
import { TideError } from '@tidegate/nodes/node';
import {
  decodeCbor,
  decodeToken,
  encodeCbor,
  encodeToken,
  enrolmentProof,
  makeIdentity,
  makeToken,
  parseTopic,
  proofHolds,
  publicKeys,
  tokenVerifier,
  topicOf,
  UP,
} from '@tidegate/nodes/sync';

const code =
  (wanted: string) =>
  (error: unknown): boolean =>
    error instanceof TideError && error.code === wanted;

describe('enrolment tokens', () => {
  const request = { tenant: 'plant', gateway: 'north-1', cloudKeys: publicKeys(makeIdentity()) };

  it('are one line that reads back the same', () => {
    for (const broker of [undefined, 'mqtts://cloud.example:8883']) {
      const token = makeToken({ ...request, ...(broker === undefined ? {} : { broker }) });
      const line = encodeToken(token);
      assert.match(line, /^tg1\.[\w-]+$/);
      assert.deepEqual(encodeToken(decodeToken(` ${line}\n`)), line);
      assert.equal(decodeToken(line).broker, broker);
      assert.equal(decodeToken(line).gateway, 'north-1');
    }
  });

  it('are refused with a reason that does not repeat them', () => {
    const line = encodeToken(makeToken(request));
    const wrong: [text: string, reason: RegExp][] = [
      ['', /empty/],
      ['hello', /does not begin with tg1\./],
      [line.slice(0, -3), /checksum/],
      [`${line.slice(0, 20)}${line[20] === 'A' ? 'B' : 'A'}${line.slice(21)}`, /checksum/],
      ['tg1.!!!', /characters/],
      [`tg1.${'A'.repeat(4000)}`, /at most 2048/],
    ];
    for (const [text, reason] of wrong) {
      assert.throws(
        () => decodeToken(text),
        (error: unknown) => error instanceof TideError && error.code === 'bad-token' && reason.test(error.message),
      );
    }
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (noise) => {
        assert.throws(() => decodeToken(`tg1.${noise}`), code('bad-token'));
      }),
    );
  });

  it('prove the keys that they are used with, and no others', () => {
    const { secret } = makeToken(request);
    const keys = publicKeys(makeIdentity());
    const proof = enrolmentProof(secret, 'plant', 'north-1', keys);
    const verifier = tokenVerifier(secret);
    assert.ok(proofHolds(verifier, proof, 'plant', 'north-1', keys));
    assert.ok(!proofHolds(verifier, proof, 'plant', 'north-2', keys));
    assert.ok(!proofHolds(verifier, proof, 'plant', 'north-1', publicKeys(makeIdentity())));
    assert.ok(!proofHolds(tokenVerifier(makeToken(request).secret), proof, 'plant', 'north-1', keys));
    assert.ok(!proofHolds(verifier, proof.subarray(1), 'plant', 'north-1', keys));
  });

  it('refuse names that are no level of a topic', () => {
    for (const gateway of ['', 'a/b', '+', '#', '..', 'ü', 'x'.repeat(65), ' x'])
      assert.throws(() => makeToken({ ...request, gateway }), code('bad-name'));
  });
});

describe('topics', () => {
  it('name an address and back', () => {
    for (const type of UP) {
      const address = { tenant: 'plant', gateway: 'north-1', direction: 'up', type } as const;
      assert.deepEqual(parseTopic(topicOf(address)), address);
    }
  });

  it('of anything else are nobody’s', () => {
    for (const topic of [
      '',
      'tide/v1/plant/north/up/ack',
      'tide/v1/plant/north/down/live',
      'tide/v1/plant/north/up/live/more',
      'tide/v2/plant/north/up/live',
      'tide/v1//north/up/live',
      'tide/v1/plant/north/sideways/live',
      `tide/v1/plant/${'x'.repeat(300)}/up/live`,
    ])
      assert.equal(parseTopic(topic), undefined, topic);
  });
});

describe('cbor', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        fc.pre(!JSON.stringify(value).includes('__proto__'));
        assert.deepEqual(decodeCbor(encodeCbor(value)), JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 200 },
    );
  });

  it('gives no stranger a hold on prototypes', () => {
    const value: unknown = decodeCbor(encodeCbor(JSON.parse('{"__proto__": {"admin": true}}')));
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.ok(!('admin' in Object(value)));
  });

  it('allocates nothing for lengths that are claimed and not there', () => {
    // Arrays of 100 million elements, one within the other; a decoder that believes them asks for gigabytes.
    const lie = Buffer.from('9a05f5e1009a05f5e1009a05f5e100', 'hex');
    const before = process.memoryUsage().heapUsed;
    assert.throws(() => decodeCbor(lie), code('malformed'));
    assert.ok(process.memoryUsage().heapUsed - before < 10e6);
  });

  it('refuses depth, tags, indefinite lengths and what follows the end', () => {
    for (const bytes of [
      Buffer.alloc(20, 0x81),
      Buffer.from('c000', 'hex'),
      Buffer.from('9f01ff', 'hex'),
      Buffer.from('0101', 'hex'),
    ])
      assert.throws(() => decodeCbor(bytes), code('malformed'));
  });
});
