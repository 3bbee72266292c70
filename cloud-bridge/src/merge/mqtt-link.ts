import { randomBytes } from 'node:crypto';
import { Socket } from 'node:net';

import { TlsStore, reasonOf, tlsFault } from '@tidegate/nodes/node';
import { MAX_FRAME_BYTES, parseTopic, type Address } from '@tidegate/nodes/sync';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';

import type { BrokerPlace } from './worker-messages.ts';

/** Alerts come on a connection of their own: on a shared one they would stand behind all bulk that is under way. */
const LANES = [
  { name: 'alerts', filters: ['tide/v1/+/+/up/alert'], qos: 1 },
  {
    name: 'bulk',
    filters: ['hello', 'state', 'event', 'live', 'fill'].map((type) => `tide/v1/+/+/up/${type}`),
    qos: 0,
  },
] as const;

/** MQTT 5 lets a client say how large a packet it takes; the broker keeps larger ones to itself. */
const BOUNDED: IClientOptions = {
  protocolVersion: 5,
  properties: { maximumPacketSize: MAX_FRAME_BYTES + 4096 },
};
/** For brokers that speak 3.1.1 only; they have to bound packets themselves. */
const PLAIN: IClientOptions = { protocolVersion: 4, properties: {} };
/** Return codes of CONNACK (MQTT 3.1.1, table 3.1; MQTT 5, section 3.2.2.2). */
const V3_REFUSES_VERSION = 1;
const V5_REFUSES_VERSION = 0x84;

export interface LinkEvents {
  arrived: (address: Address, bytes: Uint8Array) => void;
  /** Both connections are subscribed. */
  ready: () => void;
}

/** The merge worker's way to the broker: an ordinary MQTT client, twice. Reconnects by itself. */
export class MqttLink {
  private readonly broker: BrokerPlace;
  private readonly events: LinkEvents;
  private readonly troubles = new Map<string, string>();
  private readonly store: TlsStore;
  private clients: MqttClient[] = [];

  constructor(broker: BrokerPlace, events: LinkEvents) {
    this.broker = broker;
    this.events = events;
    this.store = new TlsStore(broker.tls ?? {});
  }

  start(): void {
    for (const { name } of LANES) this.troubles.set(name, 'not connected yet');
    this.clients = LANES.map((lane) => this.open(lane));
  }

  /** What keeps the link from working, in words. */
  problems(): string[] {
    return [...new Set(this.troubles.values())].map((trouble) => `broker ${this.broker.shown}: ${trouble}`);
  }

  /** Sends a frame; without a connection it is dropped, and its gateway will ask again. */
  publish(topic: string, frame: Uint8Array, important: boolean): void {
    const client = this.clients.find(({ connected }) => connected);
    client?.publish(topic, Buffer.from(frame), { qos: important ? 1 : 0 });
  }

  async stop(): Promise<void> {
    const clients = this.clients;
    this.clients = [];
    await Promise.all(clients.map((client) => client.endAsync(true)));
  }

  private open({ name, filters, qos }: (typeof LANES)[number]): MqttClient {
    const { url, username, password, embedded } = this.broker;
    const client = connect(url, {
      ...(embedded ? PLAIN : BOUNDED),
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...this.store.read(),
      clientId: `tidegate-cloud-${name}-${randomBytes(6).toString('hex')}`,
      clean: true,
      keepalive: 30,
      reconnectPeriod: 1000 + Math.floor(Math.random() * 1000),
      reconnectOnConnackError: true,
      resubscribe: false,
      queueQoSZero: false,
    });
    client.on('message', (topic, payload) => {
      const address = parseTopic(topic);
      if (address?.direction === 'up') this.events.arrived(address, payload);
    });
    client.on('connect', () => {
      // Otherwise an acknowledgement waits up to 40 ms behind the PUBACK before it (RFC 896 against RFC 1122, 4.2.3.2).
      if (client.stream instanceof Socket) client.stream.setNoDelay(true);
      client.subscribe([...filters], { qos }, (error, grants) => {
        const refused = grants?.some((grant) => grant.qos === 128);
        if (error !== null && error !== undefined) this.troubles.set(name, reasonOf(error));
        else if (refused === true) this.troubles.set(name, `refuses a subscription to ${filters.join(', ')}`);
        else this.troubles.delete(name);
        if (this.troubles.size === 0) this.events.ready();
      });
    });
    client.on('close', () => {
      if (!this.troubles.has(name)) this.troubles.set(name, 'the connection is lost');
      this.renew(client);
    });
    client.on('error', (error) => {
      this.troubles.set(name, tlsFault(error) ?? reasonOf(error));
      if ('code' in error && (error.code === V3_REFUSES_VERSION || error.code === V5_REFUSES_VERSION))
        Object.assign(client.options, PLAIN);
    });
    return client;
  }

  /** The next connection is made with the certificates that lie there by then. */
  private renew(client: MqttClient): void {
    try {
      Object.assign(client.options, this.store.read());
    } catch (error) {
      this.troubles.set('certificates', reasonOf(error));
      return;
    }
    this.troubles.delete('certificates');
  }
}
