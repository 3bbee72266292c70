import { Socket } from 'node:net';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { reasonOf } from '../node/errors.ts';
import type { TlsStore } from '../node/file-tls.ts';
import { tlsFault } from '../node/tls-errors.ts';
import { Backoff } from './backoff.ts';
import type { FrameType } from './messages.ts';
import { isSecure, type BrokerOptions } from './broker-place.ts';
import { downFilter, topicOf } from './topics.ts';
import type { Lane } from './transport.ts';

export interface TransportEvents {
  connected(lane: Lane): void;
  /** `fault`: somebody has to set something right, to try again alone does not help. */
  disconnected(lane: Lane, reason: string, fault: boolean): void;
  received(topic: string, frame: Uint8Array): void;
  /** A lane that was full takes frames again. */
  ready(): void;
}

/** Whose connections these are; `instance` tells copies of a gateway apart at the broker. */
export interface ConnectionName {
  tenant: string;
  gateway: string;
  instance?: string;
}

const RECONNECT = { floorMs: 250, firstMs: 5_000, capMs: 60_000 };
const CONNECT_TIMEOUT_MS = 15_000;
const KEEPALIVE_S = 30;
/** Bytes that a lane may hold back in its socket. */
const MAX_BUFFERED = 1 << 20;
/** A broker that sends more than this without completing a packet is cut off: a frame has at most 1 MB. */
const MAX_INCOMING = 4 << 20;
const STOP_TIMEOUT_MS = 2_000;

/** One connection to the cloud's broker, made again after each end with full-jitter backoff. */
export class MqttLane {
  private readonly lane: Lane;
  private readonly broker: BrokerOptions;
  private readonly store: TlsStore;
  private readonly name: ConnectionName;
  private readonly events: TransportEvents;
  private readonly backoff: Backoff;
  private client: MqttClient | undefined;
  private timer: NodeJS.Timeout | undefined;
  private up = false;
  private full = false;
  private running = false;
  private reason = '';
  private fault = false;

  constructor(
    lane: Lane,
    broker: BrokerOptions,
    store: TlsStore,
    name: ConnectionName,
    events: TransportEvents,
    random: () => number,
  ) {
    this.lane = lane;
    this.broker = broker;
    this.store = store;
    this.name = name;
    this.events = events;
    this.backoff = new Backoff(random, RECONNECT);
  }

  start(): void {
    this.running = true;
    this.connect();
  }

  async stop(): Promise<void> {
    this.running = false;
    clearTimeout(this.timer);
    const client = this.client;
    if (client === undefined) return;
    this.client = undefined;
    this.up = false;
    await new Promise<void>((resolve) => {
      // A connection that does not answer must not hold up a deploy.
      const force = setTimeout(() => client.end(true, () => resolve()), STOP_TIMEOUT_MS);
      client.end(!client.connected, () => {
        clearTimeout(force);
        resolve();
      });
    });
    client.removeAllListeners();
    client.on('error', ignoreAfterEnd);
  }

  send(type: FrameType, frame: Uint8Array): boolean {
    const client = this.client;
    if (client === undefined || !this.up) return false;
    if (client.stream.writableLength > MAX_BUFFERED) {
      if (!this.full) client.stream.once('drain', () => this.drained());
      this.full = true;
      return false;
    }
    const { tenant, gateway } = this.name;
    const topic = topicOf({ tenant, gateway, direction: 'up', type });
    // Bulk goes at QoS 0: the cloud acknowledges what it has committed, and a broker's own acknowledgement says less.
    const qos = type === 'live' || type === 'fill' ? 0 : 1;
    client.publish(topic, Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength), { qos }, (error) => {
      // Not lost: what the cloud does not acknowledge is sent again. The reason shows up as the end of the connection.
      if (error !== undefined && error !== null && this.client === client && this.up) client.stream.destroy();
    });
    return true;
  }

  private drained(): void {
    this.full = false;
    this.events.ready();
  }

  private connect(): void {
    let tls: IClientOptions;
    try {
      // At each connection: certificates are renewed while a gateway runs.
      tls = tlsOptions(this.broker, this.store);
    } catch (error) {
      this.ended(reasonOf(error), true);
      return;
    }
    const { url, username, password } = this.broker;
    const { tenant, gateway, instance } = this.name;
    const options: IClientOptions = {
      // With the instance in it, a copy of this gateway and this one do not end each other's connections.
      clientId: ['tide', tenant, gateway, ...(instance === undefined ? [] : [instance]), this.lane].join('-'),
      clean: true,
      protocolVersion: 4,
      keepalive: KEEPALIVE_S,
      reschedulePings: true,
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...tls,
    };
    this.reason = unanswered(url, 'cert' in tls);
    this.fault = false;
    const client = mqtt.connect(url, options);
    this.client = client;
    this.full = false;
    client.on('error', (error) => {
      this.failed(error);
      if (!client.connected) client.end(true);
    });
    // With TLS 1.3 a refusal of our certificate comes after the handshake, where MQTT.js listens no more.
    client.stream.on('error', (error) => this.failed(error));
    client.on('connect', () => {
      this.reason = 'the connection ended';
      boundIncoming(client, () => this.cut(client, 'the broker sent a packet that is too large'));
      // Otherwise an alert waits up to 40 ms behind the packet before it (RFC 896 against RFC 1122, 4.2.3.2).
      if (client.stream instanceof Socket) client.stream.setNoDelay(true);
      this.subscribed(client, () => {
        if (this.client !== client || !this.running) return;
        this.up = true;
        this.backoff.reset();
        this.events.connected(this.lane);
      });
    });
    client.on('message', (topic, payload) => this.events.received(topic, payload));
    client.on('close', () => this.closed(client));
  }

  private failed(error: Error): void {
    const fault = tlsFault(error);
    if (fault === undefined && this.fault) return;
    this.reason = fault ?? describe(error, this.broker.url);
    this.fault = fault !== undefined;
  }

  /** Only the bulk lane listens: acknowledgements of alerts come there too, and each frame once. */
  private subscribed(client: MqttClient, done: () => void): void {
    if (this.lane === 'alert') {
      done();
      return;
    }
    const filter = downFilter(this.name.tenant, this.name.gateway);
    client.subscribe(filter, { qos: 1 }, (error, granted) => {
      const refused = granted?.some(({ qos }) => qos === 128) ?? false;
      if ((error === null || error === undefined) && !refused) done();
      else this.cut(client, `the broker refused the subscription to ${filter}`);
    });
  }

  /** Ends a connection for a reason of ours; MQTT.js passes on only the socket's own errors. */
  private cut(client: MqttClient, reason: string): void {
    this.reason = reason;
    client.stream.destroy();
  }

  private closed(client: MqttClient): void {
    if (this.client !== client) return;
    this.client = undefined;
    this.up = false;
    client.end(true);
    this.ended(this.reason, this.fault);
  }

  private ended(reason: string, fault: boolean): void {
    this.events.disconnected(this.lane, reason, fault);
    if (this.running) this.timer = setTimeout(() => this.connect(), this.backoff.next());
  }
}

function tlsOptions({ url, serverName }: BrokerOptions, store: TlsStore): IClientOptions {
  if (!isSecure(url)) return {};
  if (serverName === undefined) return store.read();
  // MQTT.js passes certificates on to a WebSocket, but not the name.
  const name: IClientOptions = { servername: serverName };
  return { ...store.read(), ...name, wsOptions: { ...name } };
}

/** Why a connection ends before the broker has answered: it may have refused without a word. */
function unanswered(url: string, showsCertificate: boolean): string {
  const ended = 'the broker ended the connection before it answered';
  if (!isSecure(url)) return `${ended}; does it expect TLS (mqtts://)?`;
  return showsCertificate ? `${ended}; it may not accept the certificate shown here` : ended;
}

/** MQTT.js gathers a packet however long the broker says it is; this ends the connection instead. */
function boundIncoming(client: MqttClient, cut: () => void): void {
  let pending = 0;
  client.on('packetreceive', () => {
    pending = 0;
  });
  client.stream.on('data', (chunk: Uint8Array) => {
    pending += chunk.length;
    if (pending > MAX_INCOMING) cut();
  });
}

/** Late errors of a client that was ended on purpose say nothing new; without a listener they would end the process. */
function ignoreAfterEnd(): void {}

function describe(error: Error, url: string): string {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ECONNREFUSED') return `nobody listens at ${url}`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `the name in ${url} is not known`;
  if (/before secure TLS connection/.test(error.message))
    return `${url.split('//')[1]} ended the connection within the TLS handshake; does it speak TLS?`;
  if (code === 4 || code === 5) return 'the broker refused the user or the password';
  return error.message === '' ? reasonOf(code ?? 'unknown error') : error.message;
}
