import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Bytes of files by their path below a directory. */
export type Files = ReadonlyMap<string, Uint8Array>;

export function readFiles(directory: string, wanted: (name: string) => boolean = () => true): Files {
  const files = new Map<string, Uint8Array>();
  for (const name of namesBelow(directory)) if (wanted(name)) files.set(name, readFileSync(path.join(directory, name)));
  return files;
}

/**
 * Makes a directory hold these files and no others. What is there already is written over in place, so that the files are
 * the ones that were there, as after a power cut; those named in `anew` are made anew, as by a restore from a copy.
 */
export function putFiles(directory: string, files: Files, anew: readonly string[] = []): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const there = namesBelow(directory);
  for (const name of there) if (!files.has(name) || anew.includes(name)) rmSync(path.join(directory, name));
  const known = new Set(there);
  for (const [name, bytes] of files) {
    const file = path.join(directory, name);
    if (!known.has(name)) mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, bytes, { mode: 0o600 });
  }
}

function namesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => path.relative(directory, path.join(parentPath, name)))
    .toSorted();
}
