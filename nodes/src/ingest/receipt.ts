/**
 * Receipts name QoS 1 and 2 publishes, so that one sent again (DUP) is known again. Their 64 bits are kept in two halves:
 * 32 bits hashed from the door's source and the client; packet identifier (16 bits) and a hash over topic and payload
 * (16 bits). What belongs to one client stands out, so that they pack well (vault/receipt-codec.ts).
 *
 * A message is taken wrongly for an older one, and so disappears, only when it has DUP set although its first copy never
 * arrived, comes from the same client (or one whose 32 bits are equal), has a packet identifier that this client used within
 * the window, and other content than then with equal 16 bits: one chance in 65,536 after all the rest. Whoever could forge
 * that knows the client's id, and with it could take over its connection anyway.
 *
 * The mixing is cyrb53's (two multiplicative lanes, avalanche of Murmur3).
 */
export interface Seed {
  readonly a: number;
  readonly b: number;
}

const K1 = 2_654_435_761;
const K2 = 1_597_334_677;

export function seedOf(text: string): Seed {
  let a = 0xdead_beef;
  let b = 0x41c6_ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, K1);
    b = Math.imul(b ^ code, K2);
  }
  return { a: avalanche(a, b), b: avalanche(b, a) };
}

/** A receipt's upper half. */
export function clientHalf(source: Seed, client: Seed): number {
  return avalanche(Math.imul(source.a, K1) ^ client.a, Math.imul(source.b, K2) ^ client.b);
}

/** A receipt's lower half. */
export function messageHalf(topic: Seed, packetId: number, payload: Uint8Array): number {
  let a = Math.imul(topic.a ^ payload.length, K1);
  let b = Math.imul(topic.b ^ payload.length, K2);
  for (let i = 0; i < payload.length; i++) {
    const byte = payload[i];
    a = Math.imul(a ^ byte, K1);
    b = Math.imul(b ^ byte, K2);
  }
  return ((packetId << 16) | (avalanche(a, b) >>> 16)) >>> 0;
}

function avalanche(own: number, other: number): number {
  const mixed = Math.imul(own ^ (own >>> 16), 2_246_822_507) ^ Math.imul(other ^ (other >>> 13), 3_266_489_909);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
