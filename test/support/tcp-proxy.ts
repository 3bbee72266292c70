import { once } from 'node:events';
import net from 'node:net';

/** A link that can be cut: forwards TCP to a port on this machine, and what passes upstream can be captured. */
export class TcpProxy {
  private readonly target: number;
  private readonly server: net.Server;
  private readonly sockets = new Set<net.Socket>();
  private up = true;
  private connections = 0;
  /** Called with every chunk that a client sends towards the target, and the number of its connection. */
  capture: ((connection: number, chunk: Buffer) => void) | undefined;

  private constructor(target: number) {
    this.target = target;
    this.server = net.createServer((client) => this.connect(client));
  }

  static async open(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port;
  }

  /** Cuts every connection and refuses new ones. */
  cut(): void {
    this.up = false;
    for (const socket of this.sockets) socket.destroy();
  }

  restore(): void {
    this.up = true;
  }

  async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  private connect(client: net.Socket): void {
    if (!this.up) {
      client.destroy();
      return;
    }
    const connection = ++this.connections;
    const upstream = net.connect(this.target, '127.0.0.1');
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.sockets.add(socket);
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
      // A cut link resets connections; the close that follows is all there is to do.
      socket.on('error', () => other.destroy());
    }
    client.on('data', (chunk: Buffer) => this.capture?.(connection, chunk));
    client.pipe(upstream);
    upstream.pipe(client);
  }
}
