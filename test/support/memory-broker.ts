import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes, type Client, type PublishPacket } from 'aedes';

/** A real MQTT broker of somebody else: keeps sessions in memory, can be shut to the world and opened again. */
export class MemoryBroker {
  port = 0;
  readonly aedes: Aedes;
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(aedes: Aedes) {
    this.aedes = aedes;
  }

  /** `password`: the only one that lets a client in. */
  static async start(password?: string): Promise<MemoryBroker> {
    const aedes = await Aedes.createBroker({
      concurrency: 0,
      ...(password !== undefined && {
        authenticate: (
          _client: Client,
          _user: unknown,
          given: unknown,
          done: (error: null, success: boolean) => void,
        ) => done(null, String(given) === password),
      }),
    });
    const broker = new MemoryBroker(aedes);
    await broker.open();
    return broker;
  }

  async open(): Promise<void> {
    const server = createServer((socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
      this.aedes.handle(socket);
    });
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address !== null) this.port = address.port;
    this.server = server;
  }

  /** Cuts every connection and takes no new one; sessions stay. */
  async shut(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    const closed = server === undefined ? undefined : once(server, 'close');
    server?.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  publish(topic: string, payload: string | Buffer, more: Partial<PublishPacket> = {}): Promise<void> {
    const packet: PublishPacket = { cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false, ...more };
    return new Promise((resolve, reject) => {
      this.aedes.publish(packet, (error) => (error ? reject(error) : resolve()));
    });
  }

  get connections(): number {
    return this.sockets.size;
  }

  async stop(): Promise<void> {
    await this.shut();
    await new Promise<void>((resolve) => this.aedes.close(resolve));
  }
}
