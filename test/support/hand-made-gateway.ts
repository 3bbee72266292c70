import { randomBytes, randomInt } from 'node:crypto';
import { Socket } from 'node:net';

import { encodeAlert, type Alert } from '@tidegate/nodes/detect';
import { systemClock } from '@tidegate/nodes/node';
import { addReading, emptySummary, encodeBlock, type Part } from '@tidegate/nodes/summary';
import {
  FrameCodec,
  FrameError,
  SCHEMA_VERSION,
  ack,
  alerts as alertsBody,
  blocks as blocksBody,
  decodeBody,
  decodeToken,
  downFilter,
  encodeBody,
  encodeCatalogue,
  event,
  enrolmentProof,
  hello as helloBody,
  makeIdentity,
  nack,
  parseTopic,
  publicKeys,
  stateDown,
  stateUp,
  topicOf,
  welcome,
  type Ack,
  type Address,
  type EnrolmentToken,
  type WireGap,
  type FrameType,
  type Hello,
  type Identity,
  type Nack,
  type Stamp,
  type StateDown,
  type Ticket,
  type Welcome,
} from '@tidegate/nodes/sync';
import { connectAsync, type MqttClient } from 'mqtt';

interface Bodies {
  welcome: Welcome;
  ack: Ack;
  nack: Nack;
  state: StateDown;
}

/** What the cloud said. */
export type Answer<Type extends keyof Bodies = keyof Bodies> = { [T in Type]: { type: T; body: Bodies[T] } }[Type];

/**
 * A gateway whose every frame a test decides: it may send what no real one would. It speaks through the real codec and
 * believes only what the cloud of its token has signed.
 */
export class HandMadeGateway {
  readonly token: EnrolmentToken;
  readonly identity: Identity;
  readonly incarnation: Uint8Array;
  readonly answers: Answer[] = [];
  readonly client: MqttClient;
  /** Names this process in HELLO, and what the cloud gave it to show there. */
  readonly session = randomInt(2 ** 47);
  ticket: Ticket | undefined;
  private readonly codec: FrameCodec;
  private taken = 0;
  private hellos = 1;
  private wake: () => void = () => undefined;

  private constructor(client: MqttClient, token: EnrolmentToken, identity: Identity, incarnation: Uint8Array) {
    this.client = client;
    this.token = token;
    this.identity = identity;
    this.incarnation = incarnation;
    this.codec = new FrameCodec(identity, systemClock);
    client.on('message', (topic, payload) => this.take(topic, payload));
  }

  static async connect(
    brokerUrl: string,
    token: string,
    own: { identity?: Identity; incarnation?: Uint8Array } = {},
  ): Promise<HandMadeGateway> {
    const client = await connectAsync(brokerUrl, { reconnectPeriod: 100 });
    if (client.stream instanceof Socket) client.stream.setNoDelay(true);
    const decoded = decodeToken(token);
    const gateway = new HandMadeGateway(
      client,
      decoded,
      own.identity ?? makeIdentity(),
      own.incarnation ?? randomBytes(16),
    );
    await client.subscribeAsync(downFilter(decoded.tenant, decoded.gateway), { qos: 1 });
    return gateway;
  }

  /** As connect, and then it enrols and is welcome. */
  static async enrolled(
    brokerUrl: string,
    token: string,
    own: { identity?: Identity; incarnation?: Uint8Array } = {},
  ): Promise<HandMadeGateway> {
    const gateway = await HandMadeGateway.connect(brokerUrl, token, own);
    await gateway.hello({ enrol: gateway.enrolment() });
    await gateway.answer('welcome');
    return gateway;
  }

  enrolment(): NonNullable<Hello['enrol']> {
    const { id, secret, tenant, gateway } = this.token;
    return { token: id, proof: enrolmentProof(secret, tenant, gateway, publicKeys(this.identity)) };
  }

  hello(change: Partial<Hello> = {}): Promise<Uint8Array> {
    const id = this.hellos++;
    const { session, ticket } = this;
    const writer = ticket === undefined ? { id, session } : { id, session, ticket };
    const body: Hello = {
      schema: SCHEMA_VERSION,
      software: 'hand-made 1',
      ...writer,
      streams: {},
      state: {},
      ...change,
    };
    return this.send('hello', encodeBody(helloBody, body), { includeKeys: true });
  }

  blocks(stream: string, blocks: { number: number; body: Uint8Array }[]): Promise<Uint8Array> {
    return this.send('live', encodeBody(blocksBody, { blocks }), { stream });
  }

  gaps(...gaps: WireGap[]): Promise<Uint8Array> {
    return this.send('event', encodeBody(event, { gaps }));
  }

  names(block: number, ...names: string[]): Promise<Uint8Array> {
    const lines = names.map((name, i) => ({ number: i + 1, name, kind: 'number' as const, unit: 'm³/h' }));
    return this.blocks('catalogue', [{ number: block, body: encodeCatalogue(lines) }]);
  }

  alert(alert: Alert, body = encodeAlert(alert)): Promise<Uint8Array> {
    const { id, revision } = alert;
    return this.send('alert', encodeBody(alertsBody, { alerts: [{ id, revision, body }] }));
  }

  applied(applied: Record<string, Stamp>): Promise<Uint8Array> {
    return this.send('state', encodeBody(stateUp, { applied }));
  }

  /** Seals a frame and publishes it; resolves to its bytes, so that a test can send them again. */
  async send(
    type: FrameType,
    body: Uint8Array,
    intent: { stream?: string; includeKeys?: boolean } = {},
  ): Promise<Uint8Array> {
    const address = this.address(type);
    const frame = this.codec.seal(
      address,
      { incarnation: this.incarnation, ...intent },
      body,
      this.token.cloudKeys.agree,
    );
    await this.publish(topicOf(address), frame);
    return frame;
  }

  async publish(topic: string, frame: Uint8Array): Promise<void> {
    await this.client.publishAsync(topic, Buffer.from(frame), { qos: 1 });
  }

  topic(type: FrameType): string {
    return topicOf(this.address(type));
  }

  /** The next answer of a type that nobody has asked for yet; what lies before it counts as seen. */
  async answer<Type extends keyof Bodies>(type: Type, timeoutMs = 10_000): Promise<Bodies[Type]> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      while (this.taken < this.answers.length) {
        const next = this.answers[this.taken++];
        if (isOf<Type>(next, type)) return next.body;
      }
      const left = deadline - Date.now();
      if (left <= 0)
        throw new Error(`no ${type} within ${timeoutMs} ms; got ${JSON.stringify(this.answers.slice(-5))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async close(): Promise<void> {
    await this.client.endAsync(true);
  }

  private address(type: FrameType): Address {
    return { tenant: this.token.tenant, gateway: this.token.gateway, direction: 'up', type };
  }

  private take(topic: string, payload: Buffer): void {
    const address = parseTopic(topic);
    if (address === undefined) throw new Error(`the cloud published on ${topic}`);
    let body: Uint8Array;
    try {
      body = this.codec.open(address, payload, () => this.token.cloudKeys).body;
    } catch (error) {
      // Sealed for other keys that go by the same name.
      if (error instanceof FrameError && error.code === 'bad-seal') return;
      throw error;
    }
    const answer = answerOf(address.type, body);
    if (answer.type === 'welcome') this.ticket = answer.body.ticket ?? this.ticket;
    this.answers.push(answer);
    this.wake();
  }
}

function answerOf(type: FrameType, body: Uint8Array): Answer {
  if (type === 'welcome') return { type, body: decodeBody(welcome, body) };
  if (type === 'ack') return { type, body: decodeBody(ack, body) };
  if (type === 'nack') return { type, body: decodeBody(nack, body) };
  if (type === 'state') return { type, body: decodeBody(stateDown, body) };
  throw new Error(`the cloud sent a frame of type ${type}`);
}

function isOf<Type extends keyof Bodies>(answer: Answer, type: Type): answer is Answer & Answer<Type> {
  return answer.type === type;
}

/** A part that summarises these values, a millisecond apart from the start of its window. */
export function partOf(series: number, windowStart: number, ...values: readonly number[]): Part {
  const summary = values.reduce(
    (sum, value, i) =>
      addReading(sum, {
        series: 'any',
        time: windowStart + i,
        value,
        quality: 'good',
        clock: 'device',
        position: windowStart + i + 1,
      }),
    emptySummary(),
  );
  return { series, windowStart, summary };
}

export const blockOf = (number: number, ...parts: Part[]): { number: number; body: Uint8Array } => ({
  number,
  body: encodeBlock(parts),
});
