const SECTOR = 512;

export type DiskCall = 'open' | 'read' | 'write' | 'sync' | 'create' | 'rename' | 'remove' | 'sync-directory';

/** Thrown by every call once the power is off. */
export class PowerCut extends Error {
  constructor() {
    super('the power is off');
    this.name = 'PowerCut';
  }
}

/** What all directories of one simulated disk share. */
export class World {
  readonly random: () => number;
  readonly calls: Record<DiskCall, number> = {
    open: 0,
    read: 0,
    write: 0,
    sync: 0,
    create: 0,
    rename: 0,
    remove: 0,
    'sync-directory': 0,
  };
  failures: { call: DiskCall; after: number; code: 'disk-full' | 'io' }[] = [];
  /** Calls that change the disk until the power goes off. */
  untilCut = Infinity;
  off = false;
  /** A sector that was being written when the power went off may hold anything. */
  tearing = false;
  capacity = Infinity;
  /** Bytes of all files. */
  used: () => number = () => 0;
  written = 0;

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  /** True when this call has to fail; throws when the power is off. */
  enter(call: DiskCall): 'disk-full' | 'io' | undefined {
    if (this.off) throw new PowerCut();
    this.calls[call]++;
    for (const failure of this.failures) {
      if (failure.call !== call || --failure.after > 0) continue;
      this.failures.splice(this.failures.indexOf(failure), 1);
      return failure.code;
    }
    return undefined;
  }

  /** After the work of a call that changes the disk was done: the power may go off before the caller hears of it. */
  leave(): void {
    if (--this.untilCut > 0) return;
    this.off = true;
    throw new PowerCut();
  }
}

export class Inode {
  live = new Uint8Array(0);
  durable = new Uint8Array(0);
  pending: { offset: number; bytes: Uint8Array }[] = [];

  write(offset: number, bytes: Uint8Array): void {
    this.live = overlay(this.live, offset, bytes);
    this.pending.push({ offset, bytes: Uint8Array.from(bytes) });
  }

  /** Any of the sectors that were not synced, in any order, reach the disk; `tearing`: of others some hold garbage. */
  settle(random: () => number, tearing = false): void {
    const share = [0, 0.5, 0.9, 1][Math.floor(random() * 4)];
    const pieces: { offset: number; bytes: Uint8Array }[] = [];
    for (const { offset, bytes } of this.pending) {
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + SECTOR - ((offset + at) % SECTOR));
        pieces.push({ offset: offset + at, bytes: bytes.subarray(at, end) });
        at = end;
      }
    }
    shuffle(pieces, random);
    for (const { offset, bytes } of pieces) {
      if (random() < share) this.durable = overlay(this.durable, offset, bytes);
      else if (tearing && random() < 0.3) this.durable = overlay(this.durable, offset, garbage(bytes.length, random));
    }
    this.pending = [];
  }
}

/** `bytes` written over `onto` at `offset`: in place, or in a longer array whose memory grows by doubling. */
export function overlay(onto: Uint8Array<ArrayBuffer>, offset: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const end = offset + bytes.length;
  let target = onto;
  if (end > onto.length) {
    if (end <= onto.buffer.byteLength) target = new Uint8Array(onto.buffer, 0, end);
    else {
      target = new Uint8Array(new ArrayBuffer(Math.max(end, 2 * onto.length)), 0, end);
      target.set(onto);
    }
  }
  target.set(bytes, offset);
  return target;
}

const garbage = (length: number, random: () => number): Uint8Array =>
  Uint8Array.from({ length }, () => Math.floor(256 * random()));

function shuffle(items: unknown[], random: () => number): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j], items[i]];
  }
}

/** Numbers from 0 to 1: xorshift (Marsaglia 2003, "Xorshift RNGs"). The same seed gives the same disk. */
export function randomFrom(seed: number): () => number {
  // Neighbouring seeds would begin alike, and zero would stay zero.
  let state = Math.imul((seed >>> 0) + 1, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
