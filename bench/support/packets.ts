/** The few packets of MQTT 3.1.1 that a publisher on a bare socket needs. */

/** First bytes. */
export const CONNACK = 0x20;
export const PUBACK = 0x40;

/** MQTT 3.1.1 CONNECT with a clean session and no keep-alive (section 3.1). */
export function connectPacket(clientId: string): Buffer {
  const id = Buffer.from(clientId);
  const head = Buffer.from([0x10, 12 + id.length, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, id.length]);
  return Buffer.concat([head, id]);
}

/** QoS 1 PUBLISH with packet identifier 0, to be patched at `idAt` (section 3.3). */
export function publishPacket(topic: string, payload: string): { bytes: Buffer; idAt: number } {
  const name = Buffer.from(topic);
  const body = Buffer.from(payload);
  const remaining = 2 + name.length + 2 + body.length;
  if (remaining > 127) throw new Error(`a PUBLISH of ${remaining} bytes needs a longer length field`);
  const bytes = Buffer.concat([Buffer.from([0x32, remaining, 0, name.length]), name, Buffer.from([0, 0]), body]);
  return { bytes, idAt: 4 + name.length };
}
