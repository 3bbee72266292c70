import { once } from 'node:events';
import net from 'node:net';

import type { Clock } from '@tidegate/nodes/node';

import { LinkDirection } from './link-direction.ts';
import type { LinkShape } from './link-shape.ts';
import type { PacketLog } from './packet-log.ts';

/** Bytes that a receiver may leave unread before its sender is held back. */
const UNREAD = 1 << 20;

export interface LinkOptions {
  /** False: the link is cut at first. */
  open: boolean;
  /** Reads what goes to the target. */
  log?: PacketLog | undefined;
}

/** A stretch of a connection: what one socket says, on its way to the other. */
interface Leg {
  from: net.Socket;
  to: net.Socket;
  arrived?: (bytes: Uint8Array) => void;
}

type Direction = LinkDirection<Leg> & { waiting: Set<Leg>; timer?: NodeJS.Timeout };

/**
 * TCP over a link with a capacity, a delay and a queue of its own: all connections through it share these, in each
 * direction. It can be cut and restored. Forwards to one port of this machine.
 */
export class ShapedLink {
  private readonly target: number;
  private readonly clock: Clock;
  private readonly server: net.Server;
  private readonly sockets = new Set<net.Socket>();
  private readonly up: Direction;
  private readonly down: Direction;
  private open: boolean;
  private readonly log: PacketLog | undefined;

  private constructor(target: number, shape: LinkShape, { open, log }: LinkOptions, clock: Clock) {
    this.target = target;
    this.clock = clock;
    this.open = open;
    this.log = log;
    this.up = Object.assign(new LinkDirection<Leg>(shape), { waiting: new Set<Leg>() });
    this.down = Object.assign(new LinkDirection<Leg>(shape), { waiting: new Set<Leg>() });
    this.server = net.createServer((client) => this.connect(client));
  }

  /** Listens on 127.0.0.1. */
  static async start(target: number, shape: LinkShape, options: LinkOptions, clock: Clock): Promise<ShapedLink> {
    const link = new ShapedLink(target, shape, options, clock);
    link.server.listen(0, '127.0.0.1');
    await once(link.server, 'listening');
    return link;
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port;
  }

  /** Bytes from clients and to them that have left so far. */
  carried(): { up: number; down: number } {
    return { up: this.up.carried, down: this.down.carried };
  }

  /** Ends every connection, loses what is under way and refuses new connections. */
  cut(): void {
    this.open = false;
    for (const socket of this.sockets) socket.destroy();
    for (const direction of [this.up, this.down]) direction.drop(this.clock.monotonic());
  }

  restore(): void {
    this.open = true;
  }

  async close(): Promise<void> {
    this.cut();
    for (const { timer } of [this.up, this.down]) clearTimeout(timer);
    this.server.close();
    await once(this.server, 'close');
  }

  private connect(client: net.Socket): void {
    if (!this.open) {
      client.destroy();
      return;
    }
    const server = net.connect(this.target, '127.0.0.1');
    this.tie(client, server, this.up, this.log?.connection());
    this.tie(server, client, this.down);
  }

  private tie(
    from: net.Socket,
    to: net.Socket,
    direction: Direction,
    read?: ReturnType<PacketLog['connection']>,
  ): void {
    const leg: Leg = { from, to, ...(read && { arrived: read.arrived }) };
    this.sockets.add(from);
    // Pieces that the link delivers must not wait for each other once more (RFC 896).
    from.setNoDelay(true);
    from.on('data', (chunk: Buffer) => {
      read?.sent(chunk);
      direction.put(chunk, leg, this.clock.monotonic());
      this.holdBack(leg, direction);
      this.schedule(direction);
    });
    from.on('end', () => {
      direction.put(new Uint8Array(), leg, this.clock.monotonic());
      this.schedule(direction);
    });
    from.on('close', () => {
      this.sockets.delete(from);
      direction.waiting.delete(leg);
      to.destroy();
    });
    // The close that follows is all there is to do.
    from.on('error', () => to.destroy());
  }

  /** Keeps a sender waiting while the queue is full or its receiver does not read. */
  private holdBack(leg: Leg, direction: Direction): void {
    const now = this.clock.monotonic();
    if (direction.roomAt(now) <= now && leg.to.writableLength < UNREAD) return;
    leg.from.pause();
    direction.waiting.add(leg);
  }

  private schedule(direction: Direction): void {
    clearTimeout(direction.timer);
    const now = this.clock.monotonic();
    let due = direction.nextArrival();
    if (direction.waiting.size > 0) due = Math.min(due, Math.max(now + 1, direction.roomAt(now)));
    if (due !== Infinity) direction.timer = setTimeout(() => this.turn(direction), Math.max(0, due - now));
  }

  private turn(direction: Direction): void {
    const now = this.clock.monotonic();
    for (const { bytes, to: leg } of direction.take(now)) {
      if (leg.to.destroyed) continue;
      if (bytes.length === 0) leg.to.end();
      else {
        leg.arrived?.(bytes);
        leg.to.write(bytes);
      }
    }
    if (direction.roomAt(now) <= now) {
      for (const leg of direction.waiting) {
        if (leg.to.writableLength >= UNREAD) continue;
        direction.waiting.delete(leg);
        leg.from.resume();
      }
    }
    this.schedule(direction);
  }
}
