/** Memory in pieces of one size: a place is slab number × size + offset. */
export const SLAB_BITS = 18;
export const SLAB_BYTES = 1 << SLAB_BITS;
export const SLAB_MASK = SLAB_BYTES - 1;

/** Slabs that wait to be used again, so that folding does not leave garbage of megabytes. */
export class SlabPool {
  private readonly free: Buffer[] = [];
  private readonly keep: number;

  /** `keep`: how many slabs wait at most. */
  constructor(keep: number) {
    this.keep = keep;
  }

  take(): Buffer {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  }

  give(slabs: readonly Buffer[]): void {
    for (const slab of slabs) if (this.free.length < this.keep) this.free.push(slab);
  }
}

const SMALLEST = 32;
const LARGEST = 1_024;
/** Place of the next block u32, bytes used u16. */
export const BLOCK_HEAD = 6;

/**
 * Many lists of bytes that grow at their ends, in linked blocks: each list's first block has 32 bytes, the next ones
 * twice as many up to 1024, so that neither 100,000 short lists nor 1,000 long ones waste much. All end together.
 */
export class BlockArena {
  readonly slabs: Buffer[] = [];
  private readonly pool: SlabPool;
  private next = 0;
  private limit = 0;

  constructor(pool: SlabPool) {
    this.pool = pool;
  }

  /** Bytes given out. */
  get bytes(): number {
    return this.slabs.length === 0 ? 0 : (this.slabs.length - 1) * SLAB_BYTES + (this.next & SLAB_MASK);
  }

  /** A list's first block; its place. Bytes go in from `BLOCK_HEAD` on, up to `sizeOf` its order. */
  first(): number {
    return this.block(SMALLEST);
  }

  /** The block after `from` (of `size` bytes, `used` of them, head included); its place. */
  after(from: number, used: number, size: number): number {
    const place = this.block(grown(size));
    const slab = this.slabs[from >>> SLAB_BITS];
    slab.writeUInt32LE(place, from & SLAB_MASK);
    slab.writeUInt16LE(used, (from & SLAB_MASK) + 4);
    return place;
  }

  release(): void {
    this.pool.give(this.slabs);
    this.slabs.length = 0;
    this.next = this.limit = 0;
  }

  private block(size: number): number {
    if (this.next + size > this.limit) {
      this.next = this.slabs.length * SLAB_BYTES;
      this.limit = this.next + SLAB_BYTES;
      this.slabs.push(this.pool.take());
    }
    const place = this.next;
    this.next += size;
    this.slabs[place >>> SLAB_BITS].writeUInt32LE(0, place & SLAB_MASK);
    return place;
  }
}

/** Bytes of the block that follows one of `size`. */
export const grown = (size: number): number => Math.min(2 * size, LARGEST);
export const FIRST_BLOCK = SMALLEST;
