import assert from 'node:assert/strict';
import { decodeAlert, encodeAlert, type Alert } from '@tidegate/nodes/detect';
import type { Clock } from '@tidegate/nodes/node';
import {
  addReading,
  decodeBlock,
  decodeSummary,
  emptySummary,
  encodeBlock,
  encodeSummary,
  type Part,
  type Summary,
} from '@tidegate/nodes/summary';
import {
  FrameCodec,
  ack,
  alerts,
  blocks,
  decodeBody,
  decodeCatalogue,
  decodeCbor,
  decodeToken,
  encodeBody,
  encodeCatalogue,
  encodeCbor,
  encodeToken,
  event,
  hello,
  makeIdentity,
  makeToken,
  nack,
  publicKeys,
  stateDown,
  stateUp,
  welcome,
  type Ack,
  type Address,
  type Blocks,
  type Event as Said,
  type Nack,
  type Ticket,
} from '@tidegate/nodes/sync';
import type { z } from 'zod';
import type { Random } from '../random.ts';

/** A decoder, and what it is meant for. It may throw TideErrors and nothing else. */
export interface Target {
  name: string;
  valid: () => Uint8Array;
  decode: (bytes: Uint8Array) => unknown;
  /** What else holds of something that was read. */
  again?: (value: unknown, input: Uint8Array) => void;
}

const clock: Clock = { now: () => 1_700_000_000_000, monotonic: () => 0 };
const address: Address = { tenant: 'plant', gateway: 'north', direction: 'up', type: 'fill' };

function summaryOf(random: Random): Summary {
  let summary = emptySummary();
  const text = random.chance(0.2);
  for (let count = random.below(12); count > 0; count--) {
    const value = text
      ? random.pick(['open', 'closed', ''])
      : random.between(-9_999, 9_999) / random.pick([1, 10, 100]);
    const time = 1_700_000_000_000 + random.below(60_000);
    const quality = random.pick(['good', 'good', 'uncertain', 'bad'] as const);
    summary = addReading(summary, {
      series: 's',
      time,
      value,
      quality,
      clock: 'device',
      position: random.between(1, 9_999),
    });
  }
  return summary;
}

function partsOf(random: Random): Part[] {
  const count = random.pick([1, 3, 20, 20, 120]);
  return Array.from({ length: count }, (_, i) => ({
    series: 1 + Math.floor(i / 4),
    windowStart: 1_699_999_980_000 + (i % 4) * 60_000,
    summary: summaryOf(random),
  }));
}

const alertOf = (random: Random): Alert => ({
  id: Buffer.from(random.bytes(16)).toString('hex'),
  revision: random.between(1, 3),
  series: 'line1/pump/temperature',
  time: 1_700_000_000_000,
  state: 'open',
  severity: 'warning',
  kind: 'limits',
  value: random.pick([95, 'open', true]),
  text: 'too hot',
  expected: { low: 1, high: 9 },
});

const frame = (random: Random): Target => {
  const [edge, cloud] = [makeIdentity(), makeIdentity()];
  const [sealer, opener] = [new FrameCodec(edge, clock), new FrameCodec(cloud, clock)];
  const incarnation = new Uint8Array(16);
  return {
    name: 'frame',
    valid: () => {
      const body = random.bytes(random.below(400));
      return sealer.seal(
        address,
        { incarnation, stream: 'operations/60', includeKeys: true },
        body,
        publicKeys(cloud).agree,
      );
    },
    decode: (bytes) => opener.open(address, bytes, () => publicKeys(edge)),
  };
};

/** Whoever has a gateway's keys may put anything into its frames. */
function body<T>(name: string, schema: z.ZodType<T>, make: (random: Random) => NoInfer<T>): (random: Random) => Target {
  return (random) => ({
    name,
    valid: () => encodeBody(schema, make(random)),
    decode: (bytes) => decodeBody(schema, bytes),
  });
}

const stampOf = (random: Random) => ({ wall: random.below(1e12), counter: random.below(9), writer: 'cloud' });
const ticketOf = (random: Random): Ticket => [random.between(1, 99), random.bytes(16)];
const ranges: [number, number][] = [
  [1, 4],
  [7, 70_000],
];

const bodies = [
  body('hello', hello, (random) => ({
    schema: 1,
    software: 'a gateway',
    enrol: { token: 'aa'.repeat(8), proof: random.bytes(32) },
    id: random.below(1e9),
    session: random.below(1e9),
    ticket: ticketOf(random),
    streams: { 'operations/60': { lowest: 3, sealed: random.between(3, 1e9) } },
    state: { 'set-point': stampOf(random) },
  })),
  body('welcome', welcome, (random) => ({
    time: random.below(1e12),
    streams: { catalogue: ranges },
    credits: 262_144,
    answers: random.below(1e9),
    ticket: ticketOf(random),
  })),
  body('ack', ack, (): Ack => ({ streams: { 'operations/60': ranges }, alerts: [['ab'.repeat(16), 1]], gaps: ranges })),
  body('nack', nack, (): Nack => ({
    code: 'poison',
    reason: 'cannot be read',
    stream: 'operations/60',
    blocks: ranges,
  })),
  body('blocks', blocks, (random): Blocks => ({
    blocks: [{ number: random.between(1, 99), body: random.bytes(random.below(60)) }],
    ask: { id: random.below(1e9), blocks: [[3, random.bytes(32)]] },
  })),
  body('alerts', alerts, (random) => {
    const { id, revision } = alertOf(random);
    return { alerts: [{ id, revision, body: random.bytes(40) }] };
  }),
  body('event', event, (random): Said => ({
    gaps: [
      {
        id: 3,
        last: 9,
        writer: 'ab'.repeat(16),
        at: 1_700_000_000_000,
        cause: 'quota',
        what: 'blocks',
        count: random.below(1_000),
        timeFrom: 1,
        timeTo: 2,
        stream: 'operations/60',
        blocks: ranges,
        series: [1, 2],
      },
    ],
  })),
  body('state down', stateDown, (random) => ({
    documents: [{ key: 'k', value: { list: [1, 2.5, null, 'text'], deeper: { on: true } }, stamp: stampOf(random) }],
  })),
  body('state up', stateUp, (random) => ({ applied: { k: stampOf(random) } })),
];

const block = (random: Random): Target => ({
  name: 'block',
  valid: () => encodeBlock(partsOf(random)),
  decode: decodeBlock,
  // What came in goes on as what it says: a block that means the same is made of it, to be read again.
  again: (value) => assert.deepEqual(decodeBlock(encodeBlock(value as Part[])), value),
});

const summary = (random: Random): Target => ({
  name: 'summary',
  valid: () => encodeSummary(summaryOf(random)),
  decode: decodeSummary,
  // One summary, one encoding: else the same part could come as a fork of itself.
  again: (value, input) => assert.deepEqual(encodeSummary(value as Summary), Uint8Array.from(input)),
});

const alert = (random: Random): Target => ({
  name: 'alert',
  valid: () => encodeAlert(alertOf(random)),
  decode: decodeAlert,
});

const catalogue = (random: Random): Target => ({
  name: 'catalogue',
  valid: () =>
    encodeCatalogue(
      Array.from({ length: random.between(1, 9) }, (_, i) => ({
        number: i + 1,
        name: `s${i}`,
        kind: 'number',
        unit: '°C',
      })),
    ),
  decode: decodeCatalogue,
});

const cbor = (random: Random): Target => ({
  name: 'cbor',
  valid: () => encodeCbor({ a: [1, -2, 2.5, 'text', null, true], b: { c: random.bytes(9), d: 2 ** 40 } }),
  decode: decodeCbor,
});

const token = (random: Random): Target => ({
  name: 'token',
  valid: () => {
    const cloudKeys = { sign: random.bytes(32), agree: random.bytes(32) };
    return Buffer.from(
      encodeToken(makeToken({ tenant: 'plant', gateway: 'north', cloudKeys }, (size) => random.bytes(size))),
    );
  },
  decode: (bytes) => decodeToken(Buffer.from(bytes).toString('latin1')),
});

export const TARGETS: readonly ((random: Random) => Target)[] = [
  frame,
  ...bodies,
  block,
  block,
  summary,
  alert,
  catalogue,
  cbor,
  token,
];
