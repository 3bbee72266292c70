import type { Disk, DiskFile } from '../disk.ts';

/** Files kept open at once. A journal that waits for a consumer may have a thousand. */
const OPEN = 16;

/** Opens files when they are read or written, and closes those that were not used for longest. */
export class Handles {
  private readonly disk: Disk;
  /** Longest unused first. */
  private readonly open: Handle[] = [];

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** A file that opens itself again when it has to, also after `close`. */
  get(name: string): DiskFile {
    const handle = new Handle(name, this.disk.open(name), (file) => this.use(file));
    this.use(handle);
    return handle;
  }

  /** The same for a file that is open already. */
  adopt(file: DiskFile): DiskFile {
    const handle = new Handle(file.name, file, (one) => this.use(one));
    this.use(handle);
    return handle;
  }

  close(): void {
    for (const handle of this.open.splice(0)) handle.close();
  }

  private use(handle: Handle): DiskFile {
    const at = this.open.indexOf(handle);
    if (at >= 0) this.open.splice(at, 1);
    const file = (handle.file ??= this.disk.open(handle.name));
    this.open.push(handle);
    if (this.open.length > OPEN) this.open.shift()?.close();
    return file;
  }
}

class Handle implements DiskFile {
  readonly name: string;
  size: number;
  file: DiskFile | undefined;
  private readonly use: (handle: Handle) => DiskFile;

  constructor(name: string, file: DiskFile, use: (handle: Handle) => DiskFile) {
    this.name = name;
    this.file = file;
    this.size = file.size;
    this.use = use;
  }

  read(offset: number, length: number): Uint8Array {
    return this.use(this).read(offset, length);
  }

  write(offset: number, bytes: Uint8Array): void {
    const file = this.use(this);
    file.write(offset, bytes);
    this.size = file.size;
  }

  sync(): void {
    this.use(this).sync();
  }

  syncLater(): Promise<void> {
    return this.use(this).syncLater();
  }

  close(): void {
    this.file?.close();
    this.file = undefined;
  }
}
