import { Readable } from 'node:stream';

import type { RetainedMessages } from './retained.ts';

/** What aedes names of a client and of a packet when it asks for what is kept of them. */
interface OfClient {
  id: string;
}
interface OfPacket {
  messageId?: number;
}

/**
 * What aedes asks its "persistence" for, where sessions end with their connection: retained messages, and the packet
 * identifiers of QoS 2 publishes between PUBREC and PUBREL (OASIS MQTT 3.1.1, section 4.3.3, method B). Of those only the
 * identifiers: the message is committed and passed on before the PUBREC. aedes' own store keeps whole packets, up to a thousand
 * for each client. Wills are kept with their client's connection, by aedes itself.
 */
export class SessionStore {
  private readonly retained: RetainedMessages;
  private readonly incoming = new Map<string, Set<number>>();

  constructor(retained: RetainedMessages) {
    this.retained = retained;
  }

  async setup(): Promise<void> {
    // aedes wants an async function here; there is nothing to set up.
  }

  /** Taken in before, where the publish was authorized: it has to be on the disk when that is acknowledged. */
  storeRetained(): Promise<void> {
    return NOTHING;
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(packets(this.retained, filters));
  }

  async incomingStorePacket({ id }: OfClient, { messageId }: OfPacket): Promise<void> {
    const ids = this.incoming.get(id) ?? new Set();
    this.incoming.set(id, ids.add(messageId!));
  }

  /** Rejects when the packet is not known: aedes takes it for a new one then. */
  async incomingGetPacket({ id }: OfClient, { messageId }: OfPacket): Promise<OfPacket> {
    if (this.incoming.get(id)?.has(messageId!) !== true) throw UNKNOWN;
    return { messageId: messageId! };
  }

  async incomingDelPacket({ id }: OfClient, { messageId }: OfPacket): Promise<void> {
    const ids = this.incoming.get(id);
    if (ids?.delete(messageId!) !== true) throw UNKNOWN;
    if (ids.size === 0) this.incoming.delete(id);
  }

  async cleanIncoming({ id }: OfClient): Promise<void> {
    this.incoming.delete(id);
  }

  // Nothing is kept for clients that are away.
  addSubscriptions(): Promise<void> {
    return NOTHING;
  }
  removeSubscriptions(): Promise<void> {
    return NOTHING;
  }
  cleanSubscriptions(): Promise<void> {
    return NOTHING;
  }
  subscriptionsByClient(): Promise<never[]> {
    return NONE;
  }
  subscriptionsByTopic(): Known<never[]> {
    return NOBODY;
  }
  outgoingEnqueue(): Promise<void> {
    return NOTHING;
  }
  outgoingEnqueueCombi(): Known<void> {
    return DONE;
  }
  outgoingUpdate(): Promise<void> {
    return NOTHING;
  }
  outgoingClearMessageId(): Promise<void> {
    return NOTHING;
  }
  outgoingStream(): Readable {
    return Readable.from([]);
  }
  putWill(): Promise<void> {
    return NOTHING;
  }
  delWill(): Promise<void> {
    return NOTHING;
  }
  streamWill(): Readable {
    return Readable.from([]);
  }
}

const NOTHING = Promise.resolve();
const NONE: Promise<never[]> = Promise.resolve([]);

/** What is known at once is told at once: aedes asks for these two with each message, and only ever calls `then`. */
class Known<T> {
  private readonly value: T;

  constructor(value: T) {
    this.value = value;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- to be one is what it is for
  then(tell: (value: T) => void): void {
    tell(this.value);
  }
}
const NOBODY = new Known<never[]>([]);
const DONE = new Known<void>(undefined);

/** Made once: aedes only looks whether there is an error. */
const UNKNOWN = new Error('no such packet');

function* packets(retained: RetainedMessages, filters: readonly string[]): Generator<object> {
  for (const { topic, payload, qos } of retained.matching(filters))
    yield { cmd: 'publish', topic, payload: Buffer.from(payload.buffer, payload.byteOffset, payload.length), qos };
}
