/**
 * Follows the packet boundaries of an MQTT byte stream (OASIS MQTT 3.1.1, section 2.2) without parsing the packets, so
 * that a packet that announces more than the limit is found before any of its body is kept.
 */
export class PacketGuard {
  limit: number;
  /** Bytes of the current packet's body that are still to come. */
  private rest = 0;
  /** Position within the fixed header: 0 is its first byte, 1..4 are bytes of the remaining length. */
  private headerByte = 0;
  private length = 0;

  /** @param limit Largest remaining length that is let through, bytes. May be changed between chunks. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Takes the next bytes; returns the length announced by a packet that is too large (or malformed: Infinity). */
  check(chunk: Uint8Array): number | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.rest > 0) {
        const skipped = Math.min(this.rest, chunk.length - at);
        this.rest -= skipped;
        at += skipped;
        continue;
      }
      const byte = chunk[at++];
      if (this.headerByte === 0) {
        this.headerByte = 1;
        this.length = 0;
        continue;
      }
      this.length += (byte & 0x7f) * 2 ** (7 * (this.headerByte - 1));
      if ((byte & 0x80) === 0) {
        if (this.length > this.limit) return this.length;
        this.rest = this.length;
        this.headerByte = 0;
      } else if (++this.headerByte > 4) return Number.POSITIVE_INFINITY;
    }
    return undefined;
  }
}
