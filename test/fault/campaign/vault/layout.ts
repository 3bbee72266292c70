import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface StoredFile {
  path: string;
  inode: bigint;
  /** Undefined for a directory. */
  bytes: Uint8Array | undefined;
}

/** Everything below a directory. */
export function filesBelow(root: string): StoredFile[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const file = path.join(root, name);
      const stat = statSync(file, { bigint: true });
      return { path: file, inode: stat.ino, bytes: stat.isFile() ? readFileSync(file) : undefined };
    });
}

/**
 * Puts files back into a directory so that they are the ones that were there: under the same inodes, made when they were
 * made. A vault tells by these whether it was copied, and a power cut copies nothing.
 */
export class Layout {
  private readonly root: string;
  private readonly stock: string;

  constructor(root: string, stock: string) {
    this.root = root;
    this.stock = stock;
    mkdirSync(stock, { recursive: true, mode: 0o700 });
  }

  /** Keeps the inodes of all files that are there now. */
  keep(): void {
    for (const { path: file, inode, bytes } of filesBelow(this.root)) {
      const link = path.join(this.stock, String(inode));
      if (bytes !== undefined && !existsSync(link)) linkSync(file, link);
    }
  }

  /** Replaces what is there. */
  put(files: readonly StoredFile[]): void {
    for (const name of readdirSync(this.root)) rmSync(path.join(this.root, name), { recursive: true, force: true });
    const used = new Set<bigint>();
    for (const { path: file, inode, bytes } of files) {
      if (bytes === undefined) mkdirSync(file, { recursive: true, mode: 0o700 });
      else {
        mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
        const link = path.join(this.stock, String(inode));
        // A number that was given to a second file while the first one's removal was not durable: they share no bytes.
        if (!used.has(inode) && existsSync(link)) linkSync(link, file);
        used.add(inode);
        writeFileSync(file, bytes, { mode: 0o600 });
      }
    }
  }
}
