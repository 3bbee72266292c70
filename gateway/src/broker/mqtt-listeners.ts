import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { tlsListener } from '@tidegate/nodes/node';

import { listenError } from '../listen-error.ts';
import type { BrokerOptions } from './broker-options.ts';

type Say = (kind: string, line: string) => void;

/** The ports of the broker: a plain one, and beside it one with TLS where certificates are named. */
export class Listeners {
  private readonly options: BrokerOptions;
  private readonly connect: (socket: Socket) => void;
  private readonly complain: Say;
  private plain: Server | undefined;
  private secure: Server | undefined;

  /** `connect` gets each connection, with TLS once its handshake is done. */
  constructor(options: BrokerOptions, connect: (socket: Socket) => void, complain: Say) {
    this.options = options;
    this.connect = connect;
    this.complain = complain;
  }

  /** Throws TideErrors `port-in-use`, `bad-certificate`, … */
  async open(): Promise<void> {
    const { host, port, tls } = this.options;
    this.plain = await this.listen(createServer(this.connect), host, port);
    if (tls === undefined) return;
    const { server } = tlsListener(tls.files, this.connect, (reason) => this.complain('tls', `mqtt: ${reason}`));
    this.secure = await this.listen(server, tls.host, tls.port);
  }

  /** Resolves when all connections have ended; takes no new ones from the call on. */
  async close(): Promise<void> {
    const servers = [this.plain, this.secure].filter((one) => one !== undefined);
    this.plain = undefined;
    this.secure = undefined;
    await Promise.all(servers.map((one) => new Promise((resolve) => one.close(resolve))));
  }

  get port(): number {
    return portOf(this.plain);
  }

  /** 0 without TLS. */
  get tlsPort(): number {
    return portOf(this.secure);
  }

  private listen(server: Server, host: string, port: number): Promise<Server> {
    const { clients } = this.options;
    server.maxConnections = clients;
    server.on('drop', () => this.complain('clients', `mqtt: refused a connection: limits.clients is ${clients}`));
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(listenError(error, host, port)));
      server.listen(port, host, () => resolve(server));
    });
  }
}

function portOf(server: Server | undefined): number {
  const address: AddressInfo | string | null | undefined = server?.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
