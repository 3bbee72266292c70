import type { Socket } from 'node:net';

/** What a small message takes in memory while it waits in a socket, beside its bytes: chunks, callbacks. Bytes. */
const MESSAGE_OVERHEAD = 1_024;

/**
 * The way out to one client. aedes hands every message to the socket, which keeps what the client does not read; here that
 * is bounded. Messages that are written within the same turn of the event loop are not seen yet, so that the bound is
 * passed by what one turn brings.
 */
export class Outlet {
  private readonly socket: Socket;
  private readonly limit: number;

  /** @param limit Memory that unread messages may take, bytes. */
  constructor(socket: Socket, limit: number) {
    this.socket = socket;
    this.limit = limit;
  }

  /** Bytes that the client has not read and the system's buffers do not hold. */
  get unsent(): number {
    return this.socket.writableLength;
  }

  /** Whether a message of so many bytes may follow. What waits is taken to be of its size. */
  hasRoom(bytes: number): boolean {
    const { unsent } = this;
    return unsent === 0 || unsent * (1 + MESSAGE_OVERHEAD / bytes) <= this.limit;
  }
}
