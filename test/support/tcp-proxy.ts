import { once } from 'node:events';
import net from 'node:net';

/**
 * A link that can be cut, throttled and frozen: forwards TCP to a port on this machine, and what passes upstream can be
 * captured.
 */
export class TcpProxy {
  private readonly target: number;
  private readonly server: net.Server;
  private readonly sockets = new Set<net.Socket>();
  private up = true;
  private frozen = false;
  private connections = 0;
  /** Of each direction of each connection; Infinity for as fast as it goes. */
  bytesPerSecond = Infinity;
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

  /** Nothing passes any more, and no end is told: a socket that is half open, or a way that leads nowhere. */
  freeze(): void {
    this.frozen = true;
    for (const socket of this.sockets) socket.pause();
  }

  /** What waited meanwhile passes. */
  thaw(): void {
    this.frozen = false;
    for (const socket of this.sockets) socket.resume();
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
    this.pump(client, upstream);
    this.pump(upstream, client);
  }

  private pump(from: net.Socket, to: net.Socket): void {
    let waits = 0;
    let timer: NodeJS.Timeout | undefined;
    from.once('close', () => clearTimeout(timer));
    const go = (): void => {
      if (--waits === 0 && !this.frozen) from.resume();
    };
    const wait = (): void => {
      waits++;
      from.pause();
    };
    from.on('data', (chunk: Buffer) => {
      if (!to.write(chunk)) {
        wait();
        to.once('drain', go);
      }
      if (this.bytesPerSecond === Infinity) return;
      wait();
      timer = setTimeout(go, (chunk.length * 1000) / this.bytesPerSecond);
    });
    from.on('end', () => to.end());
    if (this.frozen) from.pause();
  }
}
