import type { Clock } from '@tidegate/nodes/node';
import {
  ack,
  encodeBody,
  nack,
  stateDown,
  topicOf,
  welcome,
  type Ack,
  type FrameCodec,
  type FrameType,
  type Nack,
  type StateDown,
  type Welcome,
} from '@tidegate/nodes/sync';
import type { z } from 'zod';

import type { StoredDocument } from '../store/store.ts';

/** Whom a frame goes to. */
export interface Recipient {
  tenant: string;
  name: string;
  /** X25519 key that the frame is sealed for. */
  agreeKey: Uint8Array;
  incarnation: Uint8Array;
}

/** Hands a frame to the broker; a frame that is lost there is asked for again by its gateway. */
export type Publish = (topic: string, frame: Uint8Array, important: boolean) => void;

/** Answers to gateways that nobody has enrolled, a second: what a stranger can make this end sign and send. */
const STRANGERS_PER_SECOND = 20;
/** Documents and characters of one state frame. */
const DOCUMENTS_PER_FRAME = 64;
const CHARACTERS_PER_FRAME = 262_144;

/** Seals what the cloud says to gateways. */
export class Replies {
  private readonly codec: FrameCodec;
  private readonly clock: Clock;
  private readonly publish: Publish;
  private second = -1;
  private answered = 0;

  constructor(codec: FrameCodec, clock: Clock, publish: Publish) {
    this.codec = codec;
    this.clock = clock;
    this.publish = publish;
  }

  acknowledge(to: Recipient, body: Ack): void {
    this.send(to, 'ack', ack, body, false);
  }

  welcome(to: Recipient, body: Welcome): void {
    this.send(to, 'welcome', welcome, body, true);
  }

  refuse(to: Recipient, body: Nack): void {
    this.send(to, 'nack', nack, body, true);
  }

  /** As `refuse`, to somebody who only proved to have the keys that they showed. */
  refuseStranger(to: Recipient, body: Nack): void {
    const second = Math.floor(this.clock.monotonic() / 1000);
    if (second !== this.second) {
      this.second = second;
      this.answered = 0;
    }
    if (++this.answered <= STRANGERS_PER_SECOND) this.refuse(to, body);
  }

  documents(to: Recipient, documents: readonly StoredDocument[]): void {
    let frame: StateDown['documents'] = [];
    let characters = 0;
    const flush = (): void => {
      if (frame.length > 0) this.send(to, 'state', stateDown, { documents: frame }, true);
      frame = [];
      characters = 0;
    };
    for (const { key, value, stamp } of documents) {
      const size = key.length + JSON.stringify(value).length;
      if (frame.length >= DOCUMENTS_PER_FRAME || characters + size > CHARACTERS_PER_FRAME) flush();
      frame.push({ key, value, stamp });
      characters += size;
    }
    flush();
  }

  private send<T>(to: Recipient, type: FrameType, schema: z.ZodType<T>, body: T, important: boolean): void {
    const address = { tenant: to.tenant, gateway: to.name, direction: 'down' as const, type };
    const frame = this.codec.seal(address, { incarnation: to.incarnation }, encodeBody(schema, body), to.agreeKey);
    this.publish(topicOf(address), frame, important);
  }
}
