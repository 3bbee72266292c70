/**
 * Receipts name QoS 1 publishes, so that one sent again (DUP) is known again: 64 bits over the door's source, the client,
 * the topic, the packet identifier and the payload. The mixing is cyrb53's (two multiplicative lanes, avalanche of Murmur3); a
 * client that forged a collision could only make its own message disappear.
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

const words = new Uint32Array(2);
const whole = new BigUint64Array(words.buffer);

export function receiptOf(source: Seed, client: Seed, topic: Seed, packetId: number, payload: Uint8Array): bigint {
  let a = Math.imul(source.a ^ client.a, K1) ^ topic.a;
  let b = Math.imul(source.b ^ client.b, K2) ^ topic.b;
  a = Math.imul(Math.imul(a ^ packetId, K1) ^ payload.length, K1);
  b = Math.imul(Math.imul(b ^ packetId, K2) ^ payload.length, K2);
  for (let i = 0; i < payload.length; i++) {
    const byte = payload[i];
    a = Math.imul(a ^ byte, K1);
    b = Math.imul(b ^ byte, K2);
  }
  words[0] = avalanche(a, b);
  words[1] = avalanche(b, a);
  return whole[0];
}

function avalanche(own: number, other: number): number {
  const mixed = Math.imul(own ^ (own >>> 16), 2_246_822_507) ^ Math.imul(other ^ (other >>> 13), 3_266_489_909);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The receipts of committed publishes: at least the newest `limit`, at most twice as many. */
export class ReceiptWindow {
  private readonly limit: number;
  private young = new Set<bigint>();
  private old = new Set<bigint>();

  constructor(limit: number) {
    this.limit = limit;
  }

  add(receipt: bigint): void {
    if (this.young.size >= this.limit) {
      this.old = this.young;
      this.young = new Set();
    }
    this.young.add(receipt);
  }

  has(receipt: bigint): boolean {
    return this.young.has(receipt) || this.old.has(receipt);
  }
}

/** Receipts of messages that are not committed yet, in order of arrival; a lookup builds its index on the way. */
export class PendingReceipts {
  readonly list: bigint[] = [];
  private readonly index = new Set<bigint>();
  private indexed = 0;

  has(receipt: bigint): boolean {
    while (this.indexed < this.list.length) this.index.add(this.list[this.indexed++]);
    return this.index.has(receipt);
  }
}
