import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Sealer } from '../keys/sealed.ts';
import { syncDirectory } from '../keys/file-header.ts';
import { DATABASE_FILE } from './sqlite-schema.ts';

const PIECE = 256 * 1024;

/**
 * The sealed SHA-256 of the database's file. The file changes only when the write-ahead log is copied into it, so its sum
 * tells at the next start whether every byte is as it was written: SQLite's own check passes over many a flipped bit.
 */
export class CatalogueSum {
  static readonly FILE = 'catalogue.sum';
  private readonly file: string;
  private readonly database: string;
  private readonly sealer: Sealer;
  /** Held open while SQLite has the file: POSIX drops a process's locks on a file when it closes any descriptor of it. */
  private fd: number | undefined;

  constructor(directory: string, sealer: Sealer) {
    this.file = path.join(directory, CatalogueSum.FILE);
    this.database = path.join(directory, DATABASE_FILE);
    this.sealer = sealer;
  }

  open(): void {
    this.fd ??= openSync(this.database, 'r');
  }

  /** unknown: none was noted, or the process ended while the file changed. */
  check(): 'same' | 'other' | 'unknown' {
    let noted: Uint8Array;
    try {
      noted = this.sealer.open('head', [], readFileSync(this.file));
    } catch {
      // Missing or damaged: the database's own check decides.
      return 'unknown';
    }
    return Buffer.compare(noted, this.hash()) === 0 ? 'same' : 'other';
  }

  /** Before the file changes. */
  forget(): void {
    rmSync(this.file, { force: true });
    syncDirectory(path.dirname(this.file));
  }

  note(): void {
    const fd = openSync(`${this.file}.new`, 'w', 0o600);
    try {
      writeSync(fd, this.sealer.seal('head', [], this.hash()));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(`${this.file}.new`, this.file);
    syncDirectory(path.dirname(this.file));
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private hash(): Uint8Array {
    this.open();
    const hash = createHash('sha256');
    const piece = Buffer.allocUnsafe(PIECE);
    for (let at = 0; ;) {
      const read = readSync(this.fd!, piece, 0, PIECE, at);
      if (read === 0) return hash.digest();
      hash.update(piece.subarray(0, read));
      at += read;
    }
  }
}
