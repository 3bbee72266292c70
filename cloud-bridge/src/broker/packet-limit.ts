import { MAX_FRAME_BYTES } from '@tidegate/nodes/sync';

/** Largest MQTT packet of a client: a frame, its topic and the packet's own fields. */
export const PACKET_LIMIT = MAX_FRAME_BYTES + 4096;
/** Largest packet of a client that has not said who it is. */
export const FIRST_PACKET_LIMIT = 8192;

/**
 * Follows the packets of an MQTT byte stream (OASIS MQTT 3.1.1, section 2.2) without parsing them. The parser behind it
 * would gather whatever length a packet announces, up to 256 MB, before anybody could look at it.
 */
export class PacketLimit {
  limit = FIRST_PACKET_LIMIT;
  private bodyLeft = 0;
  private shift = -1;
  private length = 0;

  /** Takes the next bytes; false when a packet among them announces more than the limit, or no length at all. */
  admits(chunk: Uint8Array): boolean {
    for (let at = 0; at < chunk.length;) {
      if (this.bodyLeft > 0) {
        const step = Math.min(this.bodyLeft, chunk.length - at);
        this.bodyLeft -= step;
        at += step;
        continue;
      }
      const byte = chunk[at++];
      if (this.shift < 0) {
        this.shift = 0;
        this.length = 0;
        continue;
      }
      this.length += (byte & 0x7f) * 2 ** this.shift;
      this.shift += 7;
      if (this.length > this.limit || (byte >= 0x80 && this.shift > 21)) return false;
      if (byte < 0x80) {
        this.bodyLeft = this.length;
        this.shift = -1;
      }
    }
    return true;
  }
}
