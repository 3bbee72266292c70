import { once } from 'node:events';
import net from 'node:net';
import {
  generate,
  parser,
  type IConnectPacket,
  type IPublishPacket,
  type ISubackPacket,
  type Packet,
} from 'mqtt-packet';

/** An MQTT 3.1.1 client that does exactly what it is told, and counts what comes back. */
export class RawClient {
  readonly socket: net.Socket;
  readonly received: Packet[] = [];
  readonly acknowledged = new Set<number>();
  readonly closed: Promise<void>;
  /** True once the other end has closed the connection. */
  isClosed = false;
  private nextId = 0;
  private wake: (() => void) | undefined;

  private constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    const incoming = parser();
    incoming.on('packet', (packet: Packet) => {
      this.received.push(packet);
      if (packet.cmd === 'puback' || packet.cmd === 'pubrec') this.acknowledged.add(packet.messageId!);
      this.wake?.();
    });
    this.socket.on('data', (chunk: Buffer) => incoming.parse(chunk));
    // A reset is a close too.
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.isClosed = true;
        this.wake?.();
        resolve();
      });
    });
  }

  /** Connects; resolves to the return code of the CONNACK, or -1 when the connection was closed instead. */
  static async connect(
    port: number,
    clientId: string,
    options: Partial<IConnectPacket> = {},
  ): Promise<{ client: RawClient; code: number; sessionPresent: boolean }> {
    const client = new RawClient(port);
    await Promise.race([once(client.socket, 'connect'), client.closed]);
    client.write({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId,
      keepalive: 0,
      ...options,
    });
    await client.until(() => client.received.some(({ cmd }) => cmd === 'connack') || client.isClosed);
    const connack = client.received.find((packet) => packet.cmd === 'connack');
    return { client, code: connack?.returnCode ?? -1, sessionPresent: connack?.sessionPresent === true };
  }

  /** Sends a PUBLISH and returns its packet identifier (0 for QoS 0). */
  publish(
    topic: string,
    payload: string | Buffer,
    qos: 0 | 1 | 2 = 1,
    more: { dup?: boolean; retain?: boolean; id?: number } = {},
  ): number {
    const messageId = qos === 0 ? 0 : (more.id ?? (this.nextId = (this.nextId % 65_535) + 1));
    this.write({
      cmd: 'publish',
      topic,
      payload,
      qos,
      dup: more.dup ?? false,
      retain: more.retain ?? false,
      ...(qos === 0 ? {} : { messageId }),
    });
    return messageId;
  }

  /** Waits for the acknowledgement of a publish. */
  async answered(id: number): Promise<void> {
    await this.until(() => this.acknowledged.has(id));
  }

  /** Subscribes, and resolves to what was granted: a QoS, or 128. */
  async subscribe(topic: string, qos: 0 | 1 | 2 = 1): Promise<number> {
    const before = this.subacks.length;
    this.write({ cmd: 'subscribe', messageId: 65_000, subscriptions: [{ topic, qos }] });
    await this.until(() => this.subacks.length > before);
    return Number(this.subacks[before].granted[0]);
  }

  get published(): IPublishPacket[] {
    return this.received.filter((packet) => packet.cmd === 'publish');
  }

  private get subacks(): ISubackPacket[] {
    return this.received.filter((packet) => packet.cmd === 'suback');
  }

  write(packet: Packet): void {
    this.socket.write(generate(packet));
  }

  /** Waits until something holds; throws after the time. */
  async until(holds: () => boolean, timeoutMs = 10_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!holds()) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`not within ${timeoutMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 250));
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}
