import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { TideError, reasonOf } from '../node/errors.ts';
import { BadBlock, type Disk, type DiskFile } from './disk.ts';
import { syncDirectory } from './keys/file-header.ts';

/** EFBIG: a limit on the size of files (ulimit -f, or the file system's own). */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
/** What Linux says of bytes that a medium, or a file system's checksum of them, does not give (read(2), errno(3)). */
const BAD_BLOCK = new Set(['EIO', 'EBADMSG', 'ENODATA']);

/** A directory of the real file system. Directories are made (mode 0700) when the first file is. */
export class FileDisk implements Disk {
  readonly directory: string;
  /** Directories that were made here and whose own names are not yet durable. */
  private made: string[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  names(): string[] {
    return attempt(`${this.directory} cannot be listed`, () => {
      try {
        const entries = readdirSync(this.directory, { withFileTypes: true });
        return entries
          .filter((entry) => entry.isFile())
          .map((entry) => entry.name)
          .toSorted();
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return [];
        throw error;
      }
    });
  }

  open(name: string): DiskFile {
    const file = this.path(name);
    return attempt(`${file} cannot be opened`, () => new OpenFile(name, file, openSync(file, 'r+')));
  }

  create(name: string): DiskFile {
    const file = this.path(name);
    return attempt(`${file} cannot be made`, () => {
      this.make();
      return new OpenFile(name, file, openSync(file, 'w+', 0o600));
    });
  }

  rename(from: string, to: string): void {
    const [source, target] = [this.path(from), this.path(to)];
    attempt(`${source} cannot be renamed to ${to}`, () => renameSync(source, target));
  }

  remove(name: string): void {
    const file = this.path(name);
    attempt(`${file} cannot be removed`, () => rmSync(file, { force: true }));
  }

  sync(): void {
    attempt(`${this.directory} cannot be synced`, () => {
      try {
        syncDirectory(this.directory);
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return;
        throw error;
      }
      for (const directory of this.made) syncDirectory(path.dirname(directory));
      this.made = [];
    });
  }

  below(name: string): Disk {
    return new FileDisk(this.path(name));
  }

  private path(name: string): string {
    if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name))
      throw new TideError('io', `"${name}" is no name of a file`);
    return path.join(this.directory, name);
  }

  private make(): void {
    const first = mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    let directory = path.resolve(this.directory);
    const top = path.resolve(first);
    this.made.push(directory);
    while (directory !== top) {
      directory = path.dirname(directory);
      this.made.push(directory);
    }
  }
}

class OpenFile implements DiskFile {
  readonly name: string;
  size: number;
  private readonly path: string;
  private fd: number | undefined;
  private syncs = 0;

  constructor(name: string, file: string, fd: number) {
    this.name = name;
    this.path = file;
    this.fd = fd;
    try {
      this.size = fstatSync(fd).size;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.size - offset)));
    return attempt(`${this.path} cannot be read at ${offset}`, () => {
      const fd = this.handle();
      let done = 0;
      while (done < bytes.length) {
        const got = this.piece(fd, bytes.subarray(done), offset + done);
        if (got === 0) break;
        done += got;
      }
      return bytes.subarray(0, done);
    });
  }

  private piece(fd: number, into: Uint8Array, offset: number): number {
    for (;;) {
      try {
        return readSync(fd, into, 0, into.length, offset);
      } catch (error) {
        const code = codeOf(error) ?? '';
        // FUSE and NFS break a read off for a signal, and libuv does not take it up again.
        if (code === 'EINTR') continue;
        if (!BAD_BLOCK.has(code)) throw error;
        throw new BadBlock(`${this.path} cannot be read at ${offset}: ${reasonOf(error)}`, { cause: error });
      }
    }
  }

  write(offset: number, bytes: Uint8Array): void {
    attempt(`${this.path} cannot be written at ${offset}`, () => {
      const fd = this.handle();
      let done = 0;
      while (done < bytes.length) {
        const put = writeSync(fd, bytes, done, bytes.length - done, offset + done);
        if (put === 0) throw new Error(`nothing of ${bytes.length - done} bytes was taken`);
        done += put;
        this.size = Math.max(this.size, offset + done);
      }
    });
  }

  sync(): void {
    attempt(`${this.path} cannot be synced`, () => fdatasyncSync(this.handle()));
  }

  syncLater(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fd = this.handle();
      this.syncs++;
      fdatasync(fd, (error) => {
        this.syncs--;
        // Closed meanwhile: the descriptor was kept until now, so that its number could not become another file's.
        if (this.fd === undefined && this.syncs === 0) closeSync(fd);
        if (error === null) resolve();
        else reject(failure(`${this.path} cannot be synced`, error));
      });
    });
  }

  close(): void {
    const { fd } = this;
    if (fd === undefined) return;
    this.fd = undefined;
    if (this.syncs === 0) attempt(`${this.path} cannot be closed`, () => closeSync(fd));
  }

  private handle(): number {
    if (this.fd === undefined) throw new TideError('io', `${this.path} is closed`);
    return this.fd;
  }
}

function attempt<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof TideError ? error : failure(what, error);
  }
}

function failure(what: string, cause: unknown): TideError {
  const full = FULL.has(codeOf(cause) ?? '');
  return new TideError(full ? 'disk-full' : 'io', `${what}: ${reasonOf(cause)}`, { cause });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
