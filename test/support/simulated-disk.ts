import { TideError } from '../../nodes/src/node/errors.ts';
import { BadBlock, type Disk, type DiskFile } from '../../nodes/src/vault/disk.ts';
import { Inode, World, overlay, PowerCut, type DiskCall } from './simulated-world.ts';

export { PowerCut, type DiskCall };

type Entries = Map<string, Inode>;

/**
 * A disk in memory that behaves as badly as a real one may: what was not synced is lost in part and out of order when
 * the power goes off, in units of 512 bytes, and where it is told to tear, such a unit may hold garbage; directory operations that were not synced happened or did not; a failed
 * sync drops the dirty pages, which stay readable until the power goes off. Everything follows from the seed.
 */
export class SimulatedDisk implements Disk {
  private readonly world: World;
  private live: Entries = new Map();
  private durable: Entries = new Map();
  private pending: ((entries: Entries) => void)[] = [];
  private readonly children = new Map<string, SimulatedDisk>();

  constructor(seed: number | World = 1) {
    if (typeof seed !== 'number') {
      this.world = seed;
      return;
    }
    this.world = new World(seed);
    this.world.used = () => this.used();
  }

  /** From now on, a sector that was being written when the power went off may hold anything. */
  tear(): this {
    this.world.tearing = true;
    return this;
  }

  /** Calls of each kind so far. */
  get calls(): Readonly<Record<DiskCall, number>> {
    return this.world.calls;
  }

  /** Bytes handed over for writing so far. */
  get written(): number {
    return this.world.written;
  }

  /** Bytes of all files together beyond which writing fails with `disk-full`. */
  set capacity(bytes: number) {
    this.world.capacity = bytes;
  }

  /** The `nth` call of a kind from now on (1: the next) fails. A `read` that opens a file fails for now, one of bytes is a bad block. */
  fail(call: DiskCall, nth: number, code: 'disk-full' | 'io'): void {
    this.world.failures.push({ call, after: nth, code });
  }

  /** Failures that were asked for and have not come do not come. */
  heal(): void {
    this.world.failures = [];
    this.world.capacity = Infinity;
  }

  /** The power goes off at the `nth` call from now on that changes the disk; that one and all later ones throw PowerCut. */
  cutPowerAt(nth: number): void {
    this.world.untilCut = nth;
  }

  /** What a power cut leaves. This disk is gone afterwards: every call throws. */
  crash(): SimulatedDisk {
    const next = new World(Math.floor(this.world.random() * 2 ** 32));
    next.tearing = this.world.tearing;
    this.world.off = true;
    const left = this.remains(next, new Map());
    next.used = () => left.used();
    return left;
  }

  /** A disk with the present contents, all of it durable. */
  copy(seed = 1): SimulatedDisk {
    const disk = new SimulatedDisk(seed);
    for (const [name, inode] of this.live) disk.put(name, inode.live);
    for (const [name, child] of this.children) {
      const below = disk.below(name);
      for (const [file, inode] of child.live) below.put(file, inode.live);
    }
    return disk;
  }

  /** Turns one bit of a file over, on the disk and in the cache. */
  flip(name: string, bit: number): void {
    const inode = this.inode(name);
    inode.live[bit >> 3] ^= 1 << (bit & 7);
    if (inode.durable !== inode.live && bit >> 3 < inode.durable.length) inode.durable[bit >> 3] ^= 1 << (bit & 7);
  }

  /** Puts a whole file there, durable at once; for what somebody else does to the disk. */
  put(name: string, bytes: Uint8Array): void {
    const inode = new Inode();
    inode.live = Uint8Array.from(bytes);
    inode.durable = Uint8Array.from(bytes);
    this.live.set(name, inode);
    this.durable.set(name, inode);
  }

  contents(name: string): Uint8Array {
    return Uint8Array.from(this.inode(name).live);
  }

  names(): string[] {
    this.world.enter('read');
    return [...this.live.keys()].sort();
  }

  open(name: string): DiskFile {
    this.fallible('read', `open ${name}`);
    this.fallible('open', `open ${name}`);
    return new SimulatedFile(name, this.inode(name), this.world);
  }

  create(name: string): DiskFile {
    this.fallible('create', `create ${name}`);
    const inode = new Inode();
    this.change((entries) => entries.set(name, inode));
    return new SimulatedFile(name, inode, this.world);
  }

  rename(from: string, to: string): void {
    this.fallible('rename', `rename ${from}`);
    const inode = this.inode(from);
    this.change((entries) => {
      if (entries.get(from) === inode) entries.delete(from);
      entries.set(to, inode);
    });
  }

  remove(name: string): void {
    this.fallible('remove', `remove ${name}`);
    this.change((entries) => entries.delete(name));
  }

  sync(): void {
    this.fallible('sync-directory', 'sync directory');
    this.durable = new Map(this.live);
    this.pending = [];
    this.world.leave();
  }

  below(name: string): SimulatedDisk {
    let child = this.children.get(name);
    if (child === undefined) this.children.set(name, (child = new SimulatedDisk(this.world)));
    return child;
  }

  private used(): number {
    let bytes = 0;
    for (const inode of this.live.values()) bytes += inode.live.length;
    for (const child of this.children.values()) bytes += child.used();
    return bytes;
  }

  private change(operation: (entries: Entries) => void): void {
    operation(this.live);
    this.pending.push(operation);
    this.world.leave();
  }

  private fallible(call: DiskCall, what: string): void {
    const code = this.world.enter(call);
    if (code !== undefined) throw new TideError(code, `${what}: asked for`);
  }

  private inode(name: string): Inode {
    const inode = this.live.get(name);
    if (inode === undefined) throw new TideError('io', `${name}: no such file`);
    return inode;
  }

  /** `settled`: a file that has two names after the crash is the same file under both. */
  private remains(world: World, settled: Map<Inode, Inode>): SimulatedDisk {
    const disk = new SimulatedDisk(world);
    const { random } = this.world;
    const share = [0, 0.5, 1][Math.floor(random() * 3)];
    const entries = new Map(this.durable);
    for (const operation of this.pending) if (random() < share) operation(entries);
    for (const [name, inode] of entries) {
      let rest = settled.get(inode);
      if (rest === undefined) {
        inode.settle(random, this.world.tearing);
        rest = new Inode();
        rest.live = Uint8Array.from(inode.durable);
        rest.durable = Uint8Array.from(inode.durable);
        settled.set(inode, rest);
      }
      disk.live.set(name, rest);
      disk.durable.set(name, rest);
    }
    for (const [name, child] of this.children) disk.children.set(name, child.remains(world, settled));
    return disk;
  }
}

class SimulatedFile implements DiskFile {
  readonly name: string;
  private readonly inode: Inode;
  private readonly world: World;
  private closed = false;

  constructor(name: string, inode: Inode, world: World) {
    this.name = name;
    this.inode = inode;
    this.world = world;
  }

  get size(): number {
    return this.inode.live.length;
  }

  read(offset: number, length: number): Uint8Array {
    const code = this.enter('read');
    if (code !== undefined) throw new BadBlock(`${this.name}: read: asked for`);
    return this.inode.live.slice(offset, offset + length);
  }

  write(offset: number, bytes: Uint8Array): void {
    const { world, inode } = this;
    const code = this.enter('write');
    const grown = Math.max(0, offset + bytes.length - inode.live.length);
    const full = grown > 0 && world.capacity < Infinity && world.used() + grown > world.capacity;
    if (code !== undefined || full) {
      // A call that fails may have written a part.
      const part = full ? 0 : Math.floor(world.random() * bytes.length);
      if (part > 0) inode.write(offset, bytes.subarray(0, part));
      throw new TideError(code ?? 'disk-full', `${this.name}: write: asked for`);
    }
    world.written += bytes.length;
    inode.write(offset, bytes);
    world.leave();
  }

  sync(): void {
    const { world, inode } = this;
    const code = this.enter('sync');
    if (code !== undefined) {
      inode.settle(world.random);
      throw new TideError(code, `${this.name}: sync: asked for`);
    }
    for (const { offset, bytes } of inode.pending) inode.durable = overlay(inode.durable, offset, bytes);
    inode.pending = [];
    world.leave();
  }

  async syncLater(): Promise<void> {
    await Promise.resolve();
    this.sync();
  }

  close(): void {
    this.closed = true;
  }

  private enter(call: DiskCall): 'disk-full' | 'io' | undefined {
    if (this.closed) throw new TideError('io', `${this.name} is closed`);
    return this.world.enter(call);
  }
}
