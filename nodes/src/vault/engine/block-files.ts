import type { Disk, DiskFile } from '../disk.ts';

/** A waiting block as it lies in a file. */
export interface FiledBlock {
  stream: number;
  number: number;
  /** Plain bytes. */
  size: number;
  sealed: Uint8Array;
}

export interface BlockPlace {
  stream: number;
  number: number;
  place: number;
  length: number;
}

/* "TBLK" | stream u32 | number f64 | size u32 | length of the sealed body u32; little endian. */
const MAGIC = 0x4b_4c_42_54;
const HEAD = 24;
const PIECE = 256 * 1024;

const nameOf = (number: number): string => `${String(number).padStart(10, '0')}.tide`;

/** Sealed files with the bodies of blocks that wait for the cloud: written once, removed when the last one is acknowledged. */
export class BlockFiles {
  private readonly disk: Disk;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** Numbers of the files that are there. Unfinished ones are removed. */
  numbers(): number[] {
    return this.disk.names().flatMap((name) => {
      const match = /^(\d{10})\.tide$/.exec(name);
      return match === null ? [] : [Number(match[1])];
    });
  }

  /** The sealed body; fewer bytes, and so a broken seal, when the file is not what it was. */
  read(number: number, place: number, length: number): Uint8Array {
    let file: DiskFile;
    try {
      file = this.disk.open(nameOf(number));
    } catch (error) {
      // Missing is damage like any other, and the caller counts it; a disk that does not answer now may do so later.
      if (this.numbers().includes(number)) throw error;
      return new Uint8Array(0);
    }
    try {
      return file.read(place, length);
    } finally {
      file.close();
    }
  }

  write(number: number): BlockFileWriter {
    return new BlockFileWriter(this.disk, nameOf(number));
  }

  remove(number: number): void {
    this.disk.remove(nameOf(number));
  }

  size(number: number): number {
    const file = this.disk.open(nameOf(number));
    try {
      return file.size;
    } finally {
      file.close();
    }
  }
}

/** Writes one file under a name of its own, and gives it its own name when it is whole and synced. */
export class BlockFileWriter {
  readonly places: BlockPlace[] = [];
  private readonly disk: Disk;
  private readonly name: string;
  private readonly file: DiskFile;
  private pieces: Uint8Array[] = [];
  private pending = 0;
  private written = 0;

  constructor(disk: Disk, name: string) {
    this.disk = disk;
    this.name = name;
    this.file = disk.create(`${name}.new`);
  }

  add({ stream, number, size, sealed }: FiledBlock): void {
    const head = Buffer.alloc(HEAD);
    head.writeUInt32LE(MAGIC, 0);
    head.writeUInt32LE(stream, 4);
    head.writeDoubleLE(number, 8);
    head.writeUInt32LE(size, 16);
    head.writeUInt32LE(sealed.length, 20);
    this.places.push({ stream, number, place: this.written + this.pending + HEAD, length: sealed.length });
    this.pieces.push(head, sealed);
    this.pending += HEAD + sealed.length;
    if (this.pending >= PIECE) this.flush();
  }

  /** Syncs without keeping the thread; `publish` when it is done. */
  finish(): Promise<void> {
    this.flush();
    return this.file.syncLater();
  }

  publish(): void {
    this.file.close();
    this.disk.rename(`${this.name}.new`, this.name);
    this.disk.sync();
  }

  abandon(): void {
    this.file.close();
    this.disk.remove(`${this.name}.new`);
  }

  get bytes(): number {
    return this.written + this.pending;
  }

  private flush(): void {
    if (this.pending === 0) return;
    this.file.write(this.written, Buffer.concat(this.pieces));
    this.written += this.pending;
    this.pieces = [];
    this.pending = 0;
  }
}
