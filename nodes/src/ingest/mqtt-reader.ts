import { TideError } from '../node/errors.ts';
import type { DoorMessage } from './message.ts';
import { MqttConnection, type BrokerAddress } from './mqtt-connection.ts';

export interface ReaderEvents {
  connected(): void;
  /** `retryMs`: when the next attempt comes. */
  offline(reason: Error, retryMs: number): void;
  /** Takes a message; `done()` acknowledges it, `done(error)` has the broker send it again. */
  message(message: DoorMessage, done: (error?: Error) => void): void;
}

const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 60_000;
/** A broker keeps unacknowledged messages until the next connection, so a refused one ends this one, at most this often. */
const REFUSAL_PAUSE_MS = 1_000;
const NOT_COMMITTED = 'not-committed';

/** Reads topics of a broker and stays at it: reconnects with full jitter, keeps nothing that is not acknowledged. */
export class MqttReader {
  private readonly address: BrokerAddress;
  private readonly events: ReaderEvents;
  private readonly client: string;
  private connection: MqttConnection | undefined;
  private retry: NodeJS.Timeout | undefined;
  private failures = 0;
  private paused = false;
  private stopped = true;

  /** `client`: name of this reader at the door. */
  constructor(address: BrokerAddress, client: string, events: ReaderEvents) {
    this.address = address;
    this.client = client;
    this.events = events;
  }

  start(): void {
    this.stopped = false;
    this.connect();
  }

  /** The door has too much waiting, or has room again. */
  press(paused: boolean): void {
    this.paused = paused;
    if (paused) this.connection?.pause();
    else this.connection?.resume();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retry);
    await this.connection?.stop();
    this.connection = undefined;
  }

  private connect(): void {
    const connection: MqttConnection = new MqttConnection(this.address, {
      ready: () => {
        this.failures = 0;
        this.events.connected();
      },
      publish: (packet, acknowledge) => this.take(packet, acknowledge, connection),
      ended: (reason) => this.ended(reason),
    });
    this.connection = connection;
    connection.start();
    if (this.paused) connection.pause();
  }

  private take(
    packet: {
      topic: string;
      payload: Buffer | string;
      qos: 0 | 1 | 2;
      dup: boolean;
      retain: boolean;
      messageId?: number;
    },
    acknowledge: () => void,
    connection: MqttConnection,
  ): void {
    const { topic, payload, qos, dup, retain, messageId } = packet;
    const message: DoorMessage = {
      topic,
      payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
      client: this.client,
      qos,
      dup,
      stale: retain,
      received: Date.now(),
      ...(messageId !== undefined && { packetId: messageId }),
    };
    this.events.message(message, (error) => {
      if (error === undefined) acknowledge();
      else if (connection === this.connection && !this.stopped)
        void connection.stop(new TideError(NOT_COMMITTED, error.message));
    });
  }

  private ended(reason: Error): void {
    this.connection = undefined;
    if (this.stopped) return;
    // Full jitter (Brooker 2015): any time up to the limit, which doubles with each failure.
    const limit = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.failures++);
    const least = reason instanceof TideError && reason.code === NOT_COMMITTED ? REFUSAL_PAUSE_MS : 50;
    const delay = Math.max(least, Math.random() * limit);
    this.retry = setTimeout(() => this.connect(), delay);
    this.events.offline(reason, delay);
  }
}
