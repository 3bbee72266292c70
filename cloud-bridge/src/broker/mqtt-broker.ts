import { timingSafeEqual } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { TideError, tlsListener, type CertificateFacts, type TlsFiles } from '@tidegate/nodes/node';
import { Aedes, type Client, type PublishPacket, type Subscription } from 'aedes';

import { MAX_SUBSCRIPTIONS, WORKER_NAME, mayPublish, maySubscribe } from './access.ts';
import { PACKET_LIMIT, PacketLimit } from './packet-limit.ts';

export interface BrokerOptions {
  host: string;
  /** 0 takes a free port. */
  port: number;
  /** Password of the merge worker, who alone may speak and listen everywhere. */
  workerPassword: string;
  /** Connections at one time. */
  clients: number;
  /** Gateways then connect by TLS; with `caFile` only those that show a certificate of one of its authorities. */
  tls?: TlsFiles & { certFile: string; keyFile: string };
  /** Told of connections that were refused, and of new certificates that cannot be used. */
  complain?: (reason: string) => void;
}

/**
 * The broker of a cloud that runs alone. It keeps nothing: no session, no retained message, because whatever is not
 * acknowledged by the database is sent again. It carries frames of the tide protocol and nothing else.
 */
export class Broker {
  /** Connections cut because of a packet that was too large, since the start. */
  cut = 0;
  private readonly options: BrokerOptions;
  private readonly sockets = new Set<Socket>();
  private readonly limits = new WeakMap<object, PacketLimit>();
  private readonly workers = new WeakSet<Client>();
  private readonly fromHere = new WeakSet<object>();
  private aedes: Aedes | undefined;
  private server: Server | undefined;
  /** With TLS the merge worker, which is in this process, has a door of its own on the loopback interface. */
  private inner: Server | undefined;
  /** What gateways are shown; undefined without TLS. */
  certificate: CertificateFacts | undefined;

  constructor(options: BrokerOptions) {
    this.options = options;
  }

  /** Throws TideError `port-in-use`. */
  async start(): Promise<void> {
    const aedes = new Aedes({
      concurrency: 0,
      drainTimeout: 30_000,
      maxInflightInbound: 1,
      preConnect: (_client, packet, done) => {
        packet.clean = true;
        delete packet.will;
        done(null, true);
      },
      authenticate: (client, name, password, done) => done(null, this.admits(client, name, password)),
      authorizePublish: (client, packet, done) => done(this.publishProblem(client, packet)),
      authorizeSubscribe: (client, subscription, done) =>
        done(null, this.allowsSubscription(client, subscription) ? subscription : null),
    });
    await aedes.listen();
    this.aedes = aedes;
    const { host, port, clients } = this.options;
    const server = this.listener(aedes);
    server.maxConnections = clients;
    await listening(server, host, port);
    this.server = server;
    if (this.options.tls === undefined) return;
    const inner = createServer((socket) => {
      this.fromHere.add(socket);
      this.connect(aedes, socket);
    });
    await listening(inner, '127.0.0.1', 0);
    this.inner = inner;
  }

  private listener(aedes: Aedes): Server {
    const { tls, complain = () => undefined } = this.options;
    if (tls === undefined)
      return createServer((socket) => {
        this.fromHere.add(socket);
        this.connect(aedes, socket);
      });
    const { server, certificate } = tlsListener(tls, (socket) => this.connect(aedes, socket), complain);
    this.certificate = certificate;
    return server;
  }

  async stop(): Promise<void> {
    const { aedes, server, inner } = this;
    this.aedes = undefined;
    this.server = undefined;
    this.inner = undefined;
    const closed = [server, inner].map((one) => new Promise((resolve) => (one ? one.close(resolve) : resolve(one))));
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(closed);
    await new Promise<void>((resolve) => (aedes === undefined ? resolve() : aedes.close(resolve)));
  }

  get port(): number {
    return portOf(this.server);
  }

  /** Where the merge worker connects, without TLS; nobody else is admitted there. */
  get innerPort(): number {
    return portOf(this.inner ?? this.server);
  }

  get clients(): number {
    return this.sockets.size;
  }

  private connect(aedes: Aedes, socket: Socket): void {
    const limit = new PacketLimit();
    this.sockets.add(socket);
    this.limits.set(socket, limit);
    socket.setNoDelay(true);
    socket.once('close', () => this.sockets.delete(socket));
    // aedes pulls with read(): what it does not get it cannot keep.
    const read = socket.read.bind(socket);
    socket.read = (size?: number): Buffer | null => {
      const chunk: Buffer | null = read(size);
      if (chunk === null || limit.admits(chunk)) return chunk;
      this.cut++;
      socket.destroy();
      return null;
    };
    aedes.handle(socket);
  }

  private admits(client: Client, name: string | undefined, password: Readonly<Buffer> | undefined): boolean {
    const limit = this.limits.get(client.conn);
    if (limit !== undefined) limit.limit = PACKET_LIMIT;
    const fromHere = this.fromHere.has(client.conn);
    if (name !== WORKER_NAME) return !fromHere || this.inner === undefined;
    if (!fromHere) return false;
    const expected = Buffer.from(this.options.workerPassword);
    const given = Buffer.from(password ?? []);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
    this.workers.add(client);
    return true;
  }

  private publishProblem(client: Client | null, packet: PublishPacket): Error | null {
    // A retained or half-delivered message would lie in memory until somebody takes it away.
    packet.retain = false;
    if (packet.qos === 2) return new Error('QoS 2 is not used by the tide protocol');
    if (client !== null && this.workers.has(client)) return null;
    return mayPublish(packet.topic) ? null : new Error('only frames on their way up may be published here');
  }

  private allowsSubscription(client: Client, { topic }: Subscription): boolean {
    if (this.workers.has(client)) return true;
    const subscriptions: object = Reflect.get(client, 'subscriptions');
    return maySubscribe(topic) && Object.keys(subscriptions).length < MAX_SUBSCRIPTIONS;
  }
}

function portOf(server: Server | undefined): number {
  const address: AddressInfo | string | null | undefined = server?.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
}

/** The error of a port that could not be opened, in words. */
export function listenError(error: Error, host: string, port: number): Error {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE')
    return new TideError('port-in-use', `${host}:${port} is in use by another program`, { cause: error });
  if (code === 'EACCES') return new TideError('port-refused', `this user may not open port ${port}`, { cause: error });
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new TideError('bad-host', `${host} is not an address of this machine`, { cause: error });
  return error;
}
