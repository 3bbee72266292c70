import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import mqtt from 'mqtt-packet';
import { TideError } from '../node/errors.ts';

export interface BrokerAddress {
  host: string;
  port: number;
  clientId: string;
  username?: string;
  password?: string;
  /** Options of node:tls; without them the connection is plain. */
  tls?: ConnectionOptions;
  /** False keeps the broker's session, so that it stores messages while this end is away. */
  clean: boolean;
  /** Seconds between signs of life. */
  keepalive: number;
  topics: readonly string[];
}

export interface ConnectionEvents {
  /** Connected and subscribed. */
  ready(): void;
  /** QoS 1: `acknowledge` once the message is safe. */
  publish(packet: mqtt.IPublishPacket, acknowledge: () => void): void;
  /** Called once, last. */
  ended(reason: Error): void;
}

/** Largest packet that is taken: MQTT's payload limit here, with topic and header. */
const MAX_PACKET_BYTES = (256 << 10) + 65_535 + 16;
const CONNECT_TIMEOUT_MS = 10_000;

/** CONNACK's return codes (MQTT 3.1.1, 3.2.2.3). */
const REFUSALS: Record<number, string> = {
  1: 'it does not speak MQTT 3.1.1',
  2: 'it does not accept this client id',
  3: 'it is not available',
  4: 'user name or password is wrong',
  5: 'this client may not connect',
};

/**
 * One connection to a broker as a reader: connect, subscribe with QoS 1, and acknowledge each publish on its own, in any
 * order and with any number in flight. MQTT.js takes the next packet only when the last one has been handled, which would
 * mean one message for each commit.
 */
export class MqttConnection {
  private readonly address: BrokerAddress;
  private readonly events: ConnectionEvents;
  private readonly socket: Socket;
  private readonly parser = mqtt.parser({ protocolVersion: 4 });
  private acknowledged: number[] = [];
  private ended = false;
  private timer: NodeJS.Timeout | undefined;
  private heard = Date.now();
  private pinged = false;
  private ready = false;

  constructor(address: BrokerAddress, events: ConnectionEvents) {
    this.address = address;
    this.events = events;
    const { host, port, tls } = address;
    this.socket = tls === undefined ? connectTcp({ host, port }) : connectTls({ servername: host, ...tls, host, port });
  }

  start(): void {
    const { socket, parser, address } = this;
    socket.setNoDelay(true);
    socket.once(address.tls === undefined ? 'connect' : 'secureConnect', () => this.hello());
    socket.on('data', (chunk) => this.take(chunk));
    socket.on('error', (error) => this.end(error));
    socket.on('close', () => this.end(new TideError('offline', 'the broker closed the connection')));
    parser.on('packet', (packet: mqtt.Packet) => this.handle(packet));
    parser.on('error', (error: Error) => this.end(error));
    this.timer = setTimeout(
      () => this.end(new TideError('timeout', `no answer within ${CONNECT_TIMEOUT_MS / 1000} s`)),
      CONNECT_TIMEOUT_MS,
    );
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.heard = Date.now();
    this.socket.resume();
  }

  /** Ends politely; resolves when the socket is closed. */
  async stop(reason: Error = new TideError('stopped', 'stopped')): Promise<void> {
    if (this.socket.destroyed) return;
    const closed = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    this.flush();
    this.end(reason);
    await closed;
  }

  private hello(): void {
    const { clientId, username, password, clean, keepalive } = this.address;
    this.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean,
      clientId,
      keepalive,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password: Buffer.from(password) }),
    });
  }

  private take(chunk: Buffer): void {
    this.heard = Date.now();
    this.pinged = false;
    if (this.ended) return;
    if (this.parser.parse(chunk) > MAX_PACKET_BYTES)
      this.end(new TideError('too-large', `the broker sends a packet of more than ${MAX_PACKET_BYTES} bytes`));
  }

  private handle(packet: mqtt.Packet): void {
    if (this.ended) return;
    if (packet.cmd === 'publish') this.handlePublish(packet);
    else if (packet.cmd === 'connack') this.handleConnack(packet.returnCode ?? 0);
    else if (packet.cmd === 'suback') this.handleSuback(packet.granted);
  }

  private handlePublish(packet: mqtt.IPublishPacket): void {
    const { qos, messageId } = packet;
    this.events.publish(packet, () => {
      if (qos > 0 && messageId !== undefined) this.acknowledge(messageId);
    });
  }

  private handleConnack(code: number): void {
    if (code !== 0) {
      this.end(new TideError('refused', `the broker refused: ${REFUSALS[code] ?? `return code ${code}`}`));
      return;
    }
    this.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: this.address.topics.map((topic) => ({ topic, qos: 1 })),
    });
  }

  private handleSuback(granted: mqtt.ISubackPacket['granted']): void {
    const refused = this.address.topics.filter((_, i) => granted[i] === 0x80);
    if (refused.length > 0) {
      this.end(new TideError('refused', `the broker refused the topics ${refused.join(', ')}`));
      return;
    }
    clearTimeout(this.timer);
    const period = (this.address.keepalive * 1000) / 2;
    this.timer = setInterval(() => this.beat(period), period);
    this.ready = true;
    this.events.ready();
  }

  /** Half of the keepalive period without a word: ask; another one without an answer: the link is gone. */
  private beat(period: number): void {
    if (this.socket.isPaused()) return;
    const silence = Date.now() - this.heard;
    if (this.pinged && silence > 2 * period) this.end(new TideError('timeout', 'the broker has fallen silent'));
    else {
      this.pinged = true;
      this.send({ cmd: 'pingreq' });
    }
  }

  /** Acknowledgements of one turn leave in one write. */
  private acknowledge(messageId: number): void {
    if (this.ended) return;
    this.acknowledged.push(messageId);
    if (this.acknowledged.length === 1) setImmediate(() => this.flush());
  }

  private flush(): void {
    const ids = this.acknowledged;
    if (ids.length === 0 || this.ended) return;
    this.acknowledged = [];
    const pubacks = Buffer.allocUnsafe(ids.length * 4);
    for (const [i, id] of ids.entries()) pubacks.writeUInt32BE((0x4002 << 16) | id, i * 4);
    this.socket.write(pubacks);
  }

  private send(packet: mqtt.Packet): void {
    if (!this.ended) this.socket.write(mqtt.generate(packet));
  }

  private end(reason: Error): void {
    if (this.ended) return;
    if (this.ready) this.send({ cmd: 'disconnect' });
    this.ended = true;
    clearTimeout(this.timer);
    clearInterval(this.timer);
    if (this.ready) this.socket.destroySoon();
    else this.socket.destroy();
    this.events.ended(reason);
  }
}
