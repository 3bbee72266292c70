import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Bytes of files by their path below a directory. */
export type Files = ReadonlyMap<string, Uint8Array>;

export function readFiles(directory: string, wanted: (name: string) => boolean = () => true): Files {
  const files = new Map<string, Uint8Array>();
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const file = path.join(directory, name);
    if (wanted(name) && statSync(file).isFile()) files.set(name, readFileSync(file));
  }
  return files;
}

/**
 * Makes a directory hold these files and no others. What is there already is written over in place, so that the files are
 * the ones that were there, as after a power cut; those named in `anew` are made anew, as by a restore from a copy.
 */
export function putFiles(directory: string, files: Files, anew: readonly string[] = []): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const file = path.join(directory, name);
    if ((!files.has(name) || anew.includes(name)) && statSync(file).isFile()) rmSync(file);
  }
  for (const [name, bytes] of files) {
    const file = path.join(directory, name);
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, bytes, { mode: 0o600 });
  }
}
