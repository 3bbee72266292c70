import type { LinkShape } from './link-shape.ts';

/** Payload of a packet on Ethernet: connections take turns packet by packet, and what arrives does so in steps of this. */
export const PACKET_BYTES = 1448;

interface Packet<T> {
  arrives: number;
  bytes: Uint8Array;
  to: T;
}

/**
 * One direction of a link: packets leave one after the other at the link's pace and arrive a delay later, in order. A
 * token bucket whose bucket is empty: time that passes unused earns nothing. Knows no socket and no timer; times are
 * monotonic milliseconds. The headers of TCP and IP are not counted.
 */
export class LinkDirection<T> {
  /** Bytes that have left so far, or are bound to. */
  carried = 0;
  private readonly bytesPerMs: number;
  private readonly delayMs: number;
  private readonly bufferBytes: number;
  private packets: Packet<T>[] = [];
  private head = 0;
  /** When the last packet will have left. */
  private freeAt = -Infinity;

  constructor({ bitsPerSecond, delayMs, bufferBytes }: LinkShape) {
    this.bytesPerMs = bitsPerSecond / 8000;
    this.delayMs = delayMs;
    this.bufferBytes = bufferBytes;
  }

  /** Puts bytes for `to` behind what waits; `bytes` may be empty to say that no more comes. They are not copied. */
  put(bytes: Uint8Array, to: T, now: number): void {
    let at = 0;
    do {
      const packet = bytes.subarray(at, at + PACKET_BYTES);
      at += packet.length;
      this.freeAt = Math.max(now, this.freeAt) + packet.length / this.bytesPerMs;
      this.carried += packet.length;
      this.packets.push({ arrives: this.freeAt + this.delayMs, bytes: packet, to });
    } while (at < bytes.length);
  }

  /** Bytes that wait to leave. */
  queued(now: number): number {
    return Math.max(0, (this.freeAt - now) * this.bytesPerMs);
  }

  /** When there is room again for whoever is held back: now, or when the queue has fallen to half. */
  roomAt(now: number): number {
    return this.queued(now) < this.bufferBytes ? now : this.freeAt - this.bufferBytes / 2 / this.bytesPerMs;
  }

  /** What has arrived by now, in order. */
  take(now: number): { bytes: Uint8Array; to: T }[] {
    const arrived: Packet<T>[] = [];
    while (this.head < this.packets.length && this.packets[this.head].arrives <= now)
      arrived.push(this.packets[this.head++]);
    if (this.head > 1024 || this.head === this.packets.length) {
      this.packets = this.packets.slice(this.head);
      this.head = 0;
    }
    return arrived;
  }

  /** When the next packet arrives, Infinity when none is under way. */
  nextArrival(): number {
    return this.packets[this.head]?.arrives ?? Infinity;
  }

  /** The link is cut: what is under way is lost. */
  drop(now: number): void {
    this.packets = [];
    this.head = 0;
    this.freeAt = Math.min(this.freeAt, now);
  }
}
