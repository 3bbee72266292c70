import { setTimeout as sleep } from 'node:timers/promises';

import { type Clock, reasonOf, TideError } from '@tidegate/nodes/node';
import type { MqttClient } from 'mqtt';

import { codeOf } from '../error-code.ts';
import { connectSensor } from '../sensor/mqtt-sensor.ts';

export interface PublisherOptions {
  url: string;
  username?: string;
  password?: string;
  qos: 0 | 1;
  /** Messages that may be unacknowledged at one time. */
  inFlight: number;
  /** Milliseconds without any acknowledgement after which the rest counts as lost. */
  patienceMs: number;
}

/** Publishes in order, with a bounded number in flight, across lost connections. */
export class Publisher {
  private readonly options: PublisherOptions;
  private readonly clock: Clock;
  private client: MqttClient | undefined;
  private waiting: (() => void) | undefined;
  private unacknowledged = 0;
  private progressAt = 0;
  published = 0;
  acknowledged = 0;
  reconnects = 0;

  constructor(options: PublisherOptions, clock: Clock) {
    this.options = options;
    this.clock = clock;
  }

  /** Connects; throws a TideError `no-broker` when nobody answers. */
  async start(): Promise<void> {
    const { url, username, password } = this.options;
    const client = connectSensor({ url, reconnectMs: 500, ...(username === undefined ? {} : { username, password }) });
    try {
      await new Promise<void>((resolve, reject) => {
        client.once('connect', () => resolve());
        client.once('error', reject);
        client.once('close', () => reject(new Error('the connection was closed')));
      });
    } catch (error) {
      await client.endAsync(true);
      throw new TideError('no-broker', `no MQTT broker answers at ${url}: ${why(error)}`, { cause: error });
    }
    // A lost connection is no failure: the client comes back and sends again what was not acknowledged.
    client.on('error', () => undefined);
    client.on('reconnect', () => this.reconnects++);
    this.client = client;
    this.progressAt = this.clock.monotonic();
  }

  /** Hands a message over; waits while too many are unacknowledged. False when patience has run out. */
  async publish(topic: string, payload: string): Promise<boolean> {
    while (this.unacknowledged >= this.options.inFlight) if (!(await this.oneMore())) return false;
    this.unacknowledged++;
    this.published++;
    this.client!.publish(topic, payload, { qos: this.options.qos }, (error) => {
      this.unacknowledged--;
      if (error === undefined || error === null) {
        this.acknowledged++;
        this.progressAt = this.clock.monotonic();
      }
      this.waiting?.();
    });
    return true;
  }

  /** Waits until everything is acknowledged; false when patience has run out. */
  async drained(): Promise<boolean> {
    while (this.unacknowledged > 0) if (!(await this.oneMore())) return false;
    return true;
  }

  async stop(): Promise<void> {
    await this.client?.endAsync(this.unacknowledged > 0);
  }

  private async oneMore(): Promise<boolean> {
    const before = this.unacknowledged;
    const patience = new AbortController();
    const settled = new Promise<void>((resolve) => {
      this.waiting = resolve;
    });
    await Promise.race([settled, sleep(1_000, undefined, { signal: patience.signal }).catch(() => undefined)]);
    this.waiting = undefined;
    patience.abort();
    return this.unacknowledged < before || this.clock.monotonic() - this.progressAt < this.options.patienceMs;
  }
}

function why(error: unknown): string {
  if (codeOf(error) === 'ECONNREFUSED') return 'connection refused';
  return reasonOf(error) || (codeOf(error) ?? 'no reason given');
}
