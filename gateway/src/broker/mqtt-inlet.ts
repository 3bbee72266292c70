import type { Socket } from 'node:net';

import { PacketGuard } from './packet-guard.ts';
import { FIRST_PACKET_LIMIT } from './topics.ts';

/**
 * The valve between a client's socket and the broker, which pulls its bytes with `read()`. Closed while too much of the
 * client's data waits for a commit: then the bytes stay in the socket and TCP slows the sender. Watches packet sizes.
 */
export class Inlet {
  /** Bytes of this client's messages that wait for their commit. */
  waiting = 0;
  private readonly socket: Socket;
  private readonly limit: number;
  private readonly guard = new PacketGuard(FIRST_PACKET_LIMIT);
  private shut = false;

  /** @param limit Bytes that may wait before the valve closes; it opens again at half of that. */
  constructor(socket: Socket, limit: number, tooLarge: (bytes: number) => void) {
    this.socket = socket;
    this.limit = limit;
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => {
      if (this.shut) return null;
      const chunk = read(size) as Buffer | null;
      if (chunk === null) return null;
      const announced = this.guard.check(chunk);
      if (announced === undefined) return chunk;
      tooLarge(announced);
      socket.destroy();
      return null;
    };
  }

  /** The client has said who it is: from now on packets up to `bytes` are read. */
  allowPackets(bytes: number): void {
    this.guard.limit = bytes;
  }

  get paused(): boolean {
    return this.shut;
  }

  take(bytes: number): void {
    this.waiting += bytes;
    if (this.waiting > this.limit) this.shut = true;
  }

  release(bytes: number): void {
    this.waiting -= bytes;
    if (!this.shut || this.waiting > this.limit / 2) return;
    this.shut = false;
    // The broker reads on 'readable'; the one that came while the valve was shut found nothing.
    if (!this.socket.destroyed) this.socket.emit('readable');
  }
}
