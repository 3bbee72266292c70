import type { Socket } from 'node:net';

import type { Door, DoorMessage } from '@tidegate/nodes/ingest';
import { type Clock, reasonOf, TideError } from '@tidegate/nodes/node';
import { Aedes, type AedesPublishPacket, type Client, type ConnectPacket, type PublishPacket } from 'aedes';

import { PasswordCheck } from '../login/password.ts';
import { afterAll } from './after-all.ts';
import type { BrokerOptions, BrokerStats } from './broker-options.ts';
import { Complaints } from './complaints.ts';
import { grantedQos } from './granted.ts';
import {
  beforeEachPacket,
  dontCacheIdentifiers,
  dontWaitForSubscribers,
  passUnheardBy,
  subscriptionsOf,
} from './mqtt-aedes.ts';
import { Inlet } from './mqtt-inlet.ts';
import { Listeners } from './mqtt-listeners.ts';
import { Outlet } from './mqtt-outlet.ts';
import { RetainedMessages } from './retained.ts';
import { SessionStore } from './session-store.ts';
import { quoted, Sessionless } from './sessionless.ts';
import { OWN_TOPICS, packetLimit } from './topics.ts';

interface Connection {
  socket: Socket;
  inlet: Inlet;
  outlet: Outlet;
}

/**
 * The gateway's own MQTT broker. What comes on a topic that the door accepts is committed to the vault before it is
 * acknowledged: aedes sends PUBACK and PUBREC right after `authorizePublish`, the only hook before them, so the door
 * sits there. What is to be retained is committed there too. Sessions end with their connection (docs/gateway.md).
 */
export class Broker {
  private readonly door: Door;
  private readonly options: BrokerOptions;
  private readonly clock: Clock;
  private readonly complaints: Complaints;
  private readonly passwords: PasswordCheck | undefined;
  private readonly retained: RetainedMessages;
  private readonly sessionless: Sessionless;
  private readonly connections = new Map<unknown, Connection>();
  private aedes: Aedes | undefined;
  private listeners: Listeners | undefined;
  private cut = 0;
  private dropped = 0;

  constructor(door: Door, options: BrokerOptions, clock: Clock) {
    this.door = door;
    this.options = options;
    this.clock = clock;
    this.complaints = new Complaints(options.log, clock);
    this.passwords = options.users === undefined ? undefined : new PasswordCheck(options.users);
    this.sessionless = new Sessionless((line) => options.log(`mqtt: ${line}`));
    this.retained = new RetainedMessages({
      vault: door.vault,
      clock,
      after: (ms, callback) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
      complain: (kind, reason) => this.complaints.say(kind, `mqtt: ${reason}`),
      commitTimeoutMs: options.commitTimeoutMs ?? COMMIT_TIMEOUT_MS,
    });
  }

  /** Opens the port. Throws a TideError `port-in-use`. */
  async start(): Promise<void> {
    dontCacheIdentifiers();
    await this.retained.load();
    // aedes warns of a leak at 2 * concurrency listeners; sockets get their own bound in connect().
    const aedes = new Aedes({
      concurrency: 0,
      drainTimeout: 30_000,
      persistence: new SessionStore(this.retained),
      preConnect: (client, packet, done) => this.preConnect(client, packet, done),
      authenticate: (client, name, password, done) => this.authenticate(client, name, password, done),
      authorizePublish: (client, packet, done) => this.authorizePublish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) =>
        done(null, this.sessionless.allows(client, subscription.qos) ? subscription : null),
      authorizeForward: (client, packet) => this.authorizeForward(client, packet),
    });
    passUnheardBy(aedes);
    dontWaitForSubscribers(aedes);
    await aedes.listen();
    aedes.on('clientError', (client, error) => this.failed(client, error));
    aedes.on('connectionError', (client, error) => this.failed(client, error));
    this.aedes = aedes;
    this.listeners = new Listeners(
      this.options,
      (socket) => this.connect(aedes, socket),
      (kind, line) => this.complaints.say(kind, line),
    );
    try {
      await this.listeners.open();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Closes all connections. Messages whose commit is under way stay unacknowledged and will be sent again. */
  async stop(): Promise<void> {
    const { aedes, listeners } = this;
    this.aedes = undefined;
    this.listeners = undefined;
    const closed = listeners?.close();
    for (const { socket } of this.connections.values()) socket.destroy();
    await closed;
    await new Promise<void>((resolve) => (aedes === undefined ? resolve() : aedes.close(resolve)));
    await this.retained.close();
  }

  get port(): number {
    return this.listeners?.port ?? 0;
  }

  /** 0 without TLS. */
  get tlsPort(): number {
    return this.listeners?.tlsPort ?? 0;
  }

  stats(): BrokerStats {
    const { cut, dropped, sessionless, retained } = this;
    const stats = { clients: this.aedes?.connectedClients ?? 0, cut, dropped, sessionless: sessionless.lowered };
    let [paused, waitingBytes, unreadBytes] = [0, 0, 0];
    for (const { inlet, outlet } of this.connections.values()) {
      if (inlet.paused) paused++;
      waitingBytes += inlet.waiting;
      unreadBytes += outlet.unsent;
    }
    return { ...stats, paused, waitingBytes, unreadBytes, retained: retained.stats() };
  }

  private connect(aedes: Aedes, socket: Socket): void {
    socket.setNoDelay(true);
    const inlet = new Inlet(socket, this.options.clientBytes, (bytes) => {
      this.cut++;
      const limit = packetLimit(this.options.payloadBytes);
      this.complaints.say('packet', `mqtt: closed a connection: a packet of ${bytes} bytes, allowed: ${limit}`);
    });
    const outlet = new Outlet(socket, this.options.clientBytes);
    this.connections.set(socket, { socket, inlet, outlet });
    socket.once('close', () => this.connections.delete(socket));
    const client = aedes.handle(socket);
    // Where that cannot be done, authorizeSubscribe refuses.
    beforeEachPacket(client, ({ cmd, subscriptions }) => {
      if (cmd === 'subscribe') this.sessionless.lower(client, client.id, subscriptions ?? []);
    });
  }

  private inletOf(client: Client | null): Inlet | undefined {
    return client === null ? undefined : this.connections.get(client.conn)?.inlet;
  }

  private preConnect(client: Client, packet: ConnectPacket, done: (error: null, success: boolean) => void): void {
    // Sessions are not kept: a queue for clients that stay away would lie in memory without a bound.
    if (packet.clean === false) this.sessionless.add(client);
    packet.clean = true;
    done(null, true);
  }

  private authenticate(
    client: Client,
    name: string | undefined,
    password: Readonly<Buffer> | undefined,
    answer: (error: null, success: boolean) => void,
  ): void {
    const welcome = (): void => {
      this.inletOf(client)?.allowPackets(packetLimit(this.options.payloadBytes));
      answer(null, true);
    };
    if (this.passwords === undefined) return welcome();
    const refuse = (): void => {
      this.complaints.say('login', 'mqtt: refused a login: unknown user or wrong password');
      answer(null, false);
    };
    if (name === undefined || password === undefined) return refuse();
    this.passwords.matches(name, password.toString('utf8')).then(
      (matches) => (matches ? welcome() : refuse()),
      (error: unknown) => {
        this.complaints.say('login', `mqtt: could not check a login: ${reasonOf(error)}`);
        answer(null, false);
      },
    );
  }

  private authorizePublish(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    const { topic } = packet;
    if (topic.startsWith('$SYS/')) return done(new Error('$SYS/ is reserved'));
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const ingested = !topic.startsWith(OWN_TOPICS) && this.door.accepts(topic);
    const inlet = this.inletOf(client);
    const bytes = payload.length + topic.length + MESSAGE_OVERHEAD;
    const kept = packet.retain || !this.retained.quiet;
    if (!ingested && !kept) return done(null);
    inlet?.take(bytes);
    const steps = afterAll(Number(ingested) + Number(kept), (error) => {
      inlet?.release(bytes);
      done(error ?? null);
    });
    // Both in this turn, so that they share a commit.
    if (packet.retain) this.retained.put(topic, payload, packet.qos, steps);
    else if (kept) this.retained.settled(topic, steps);
    if (ingested) this.door.offer(this.messageOf(client, packet, payload), steps);
  }

  private messageOf(client: Client | null, packet: PublishPacket, payload: Buffer): DoorMessage {
    return {
      topic: packet.topic,
      payload,
      client: client?.id ?? '',
      qos: packet.qos,
      packetId: packet.messageId,
      dup: packet.dup,
      // Retain on a publish asks the broker to keep it; the message itself is fresh.
      stale: false,
      received: this.clock.now(),
    };
  }

  /** Decides about one message to one subscriber; called for each, just before it is written. */
  private authorizeForward(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    const { topic, payload } = packet;
    if (packet.retain) {
      // From the store, upon a subscription: aedes waits with the next one until the socket takes it, whatever its QoS.
      packet.qos = Math.min(packet.qos, grantedQos(subscriptionsOf(client), topic)) as 0 | 1 | 2;
      return packet;
    }
    const connection = this.connections.get(client.conn);
    if (connection === undefined || connection.outlet.hasRoom(payload.length + topic.length)) return packet;
    if (packet.qos === 0 || grantedQos(subscriptionsOf(client), topic) === 0) {
      this.dropped++;
      this.complaints.say(
        'dropped',
        `mqtt: client ${quoted(client.id)} does not read what it subscribed to: QoS 0 is dropped`,
      );
    } else connection.socket.destroy(new TideError('unread', `it left ${connection.outlet.unsent} bytes unread`));
    return null;
  }

  private failed(client: Client | null, error: Error): void {
    // What aedes cuts after its drain timeout is a subscriber that does not read, too.
    if (!(error instanceof TideError) && error.message !== 'drain timeout') return;
    this.cut++;
    const who = client?.id ? quoted(client.id) : 'a client';
    const unread = !(error instanceof TideError) || error.code === 'unread';
    const why = unread ? ', which does not read' : ', so that it sends again';
    this.complaints.say(
      unread ? 'unread' : error.code,
      `mqtt: closed the connection of ${who}${why}: ${error.message}`,
    );
  }
}

/** What a message costs in memory beside its topic and payload, roughly. Bytes. */
const MESSAGE_OVERHEAD = 256;
/** As that of a door. */
const COMMIT_TIMEOUT_MS = 15_000;
