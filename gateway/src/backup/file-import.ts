import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';

import { systemClock, TideError } from '@tidegate/nodes/node';
import { createKeyFile, openVault, readKey } from '@tidegate/nodes/vault';
import { parseDocument } from 'yaml';

import { CONFIG_FILE, readConfig } from '../config/file-config.ts';
import { UNFINISHED, writeWhole } from '../config/file-whole.ts';
import { parseConfig } from '../config/parse.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { vaultOptionsOf } from '../config/vault-options.ts';
import { FLOW_FILE, USER_DIR } from '../device/file-flow.ts';
import { KEY_FILE } from '../device/file-init.ts';
import { codeOf } from '../error-code.ts';
import { MAX_HEADER, needsPassphrase, type Opener, parseHeader } from './age/age-header.ts';
import { type ArchiveEntry, entriesIn } from './archive-reader.ts';
import { MARKER, readMarker, removeMarker, writeMarker } from './file-marker.ts';
import { Restore, type Restored } from './restore.ts';
import { checkTarget } from './restore-target.ts';
import { type Verified, verify } from './verify.ts';

/** Bytes that are read at once. */
const READ = 1 << 20;

export interface ImportOptions {
  opener: Opener;
  /** Public key, hexadecimal, that has to have signed it. */
  signer?: string;
  /** Throws away what an import that was interrupted has brought in. */
  anew: boolean;
  watch: {
    /** With how much of the file has been read, 0 to 1. */
    checked: (readings: number, share: number) => void;
    restored: (readings: number, of: number) => void;
  };
}

export interface ImportResult extends Restored {
  verified: Verified;
  /** A configuration came with it and a key was made. */
  made: boolean;
}

/** Whether a backup opens with a passphrase. Throws what parseHeader throws. */
export async function isForPassphrase(file: string): Promise<boolean> {
  for await (const start of bytesOf(file, MAX_HEADER)) return naming(file, () => needsPassphrase(parseHeader(start)));
  throw new TideError('not-age', `${file}: is empty`);
}

/**
 * Restores a backup into a directory. The whole file is held against its manifest first, so that one that does not fit
 * leaves the directory as it was; then the vault is filled, and what an interruption left is gone on with.
 */
export async function importInto(file: string, directory: string, options: ImportOptions): Promise<ImportResult> {
  const { opener, watch } = options;
  const entries = (): AsyncIterable<ArchiveEntry> => entriesIn(bytesOf(file, READ), opener);
  const verified = await naming(file, () => checked(file, opener, watch.checked));
  const { manifest, archive } = verified;
  if (options.signer !== undefined && options.signer.toLowerCase() !== manifest.signer.publicKey)
    throw new TideError(
      'wrong-signer',
      `${file}: is signed by ${manifest.signer.publicKey}, not by ${options.signer.toLowerCase()}`,
    );
  const { config, made, unfinished } = await prepare(directory, file, verified, options.anew);
  const vault = await openVault(vaultOptionsOf(path.resolve(directory), config), systemClock);
  try {
    await naming(directory, () => checkTarget(vault, archive, unfinished));
    // From here on the directory holds a part of the backup, until all of it is there.
    await writeMarker(directory, { archive, file: path.resolve(file) });
    const of = manifest.counts.readings;
    const restore = new Restore(vault, verified, (readings) => watch.restored(readings, of));
    const restored = await naming(file, () => restore.run(entries));
    await removeMarker(directory);
    return { ...restored, verified, made };
  } finally {
    await vault.close();
  }
}

/** Holds the file against its manifest, and says how far it is in readings and as a share of the file. */
async function checked(file: string, opener: Opener, watch: ImportOptions['watch']['checked']): Promise<Verified> {
  let read = 0;
  let size = 1;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const bytes of bytesOf(file, READ)) {
      if (read === 0) ({ size } = await stat(file));
      yield bytes;
      read += bytes.length;
    }
  }
  return verify(entriesIn(counted(), opener), (readings) => watch(readings, Math.min(1, read / size)));
}

/** A directory that can take the backup in: an empty one becomes a gateway, of one that is a gateway the vault is looked at later. */
async function prepare(
  directory: string,
  file: string,
  { archive, config: yaml, flows }: Verified,
  anew: boolean,
): Promise<{ config: GatewayConfig; made: boolean; unfinished: boolean }> {
  const marker = await readMarker(directory);
  if (marker !== undefined && marker.archive !== archive && !anew)
    throw new TideError(
      'other-import',
      `${directory} holds a part of ${marker.file}, another backup; finish that one, or begin anew with --anew`,
    );
  if (await isThere(path.join(directory, CONFIG_FILE))) {
    const config = await readConfig(directory);
    if (marker !== undefined && anew) await removeHalf(directory, config);
    return { config, made: false, unfinished: marker?.archive === archive };
  }
  const there = (await namesIn(directory)).filter((name) => !LEFT_BY_IMPORT.has(name));
  if (there.length > 0)
    throw new TideError(
      'not-empty',
      `${directory} is no gateway and not empty (found ${there.slice(0, 3).join(', ')}); name a new directory`,
    );
  if (yaml === undefined)
    throw new TideError(
      'no-configuration',
      `${file}: holds no configuration; make ${directory} with tidegate init first`,
    );
  return { config: await makeGateway(directory, file, archive, ownPaths(yaml), flows), made: true, unfinished: true };
}

/** The marker comes first, so that a directory that is not whole says so; gateway.yaml last. */
async function makeGateway(
  directory: string,
  file: string,
  archive: string,
  yaml: string,
  flows: string | undefined,
): Promise<GatewayConfig> {
  const config = parseConfig(yaml, `${CONFIG_FILE} of ${file}`);
  const { key, directory: vault } = vaultOptionsOf(path.resolve(directory), config);
  // A variable or credential that is not there here is said before anything is made.
  if (!('file' in key)) readKey(key, vault);
  await mkdir(path.join(directory, 'keys'), { recursive: true, mode: 0o700 });
  await mkdir(path.join(directory, USER_DIR), { recursive: true, mode: 0o700 });
  await writeMarker(directory, { archive, file: path.resolve(file) });
  if ('file' in key && !(await isThere(key.file))) createKeyFile(key.file);
  if (flows !== undefined) await writeWhole(path.join(directory, FLOW_FILE), flows);
  await writeWhole(path.join(directory, CONFIG_FILE), yaml);
  return config;
}

/** By one that was cut off before it had made a gateway. */
const LEFT_BY_IMPORT = new Set([MARKER, `${MARKER}${UNFINISHED}`, `${CONFIG_FILE}${UNFINISHED}`, 'keys', USER_DIR]);

/** Paths of another machine, or of the very gateway that was copied, are not this directory's. */
function ownPaths(yaml: string): string {
  const document = parseDocument(yaml);
  document.setIn(['vault', 'directory'], 'vault');
  if (document.hasIn(['vault', 'key', 'file'])) document.setIn(['vault', 'key', 'file'], KEY_FILE);
  return document.toString();
}

/** Opened first: while another process brings something in there it is not removed. */
async function removeHalf(directory: string, config: GatewayConfig): Promise<void> {
  const options = vaultOptionsOf(path.resolve(directory), config);
  await (await openVault(options, systemClock)).close();
  await rm(options.directory, { recursive: true, force: true });
}

async function* bytesOf(file: string, size: number): AsyncGenerator<Uint8Array> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') throw new TideError('no-file', `${file} is not there`);
    throw error;
  });
  try {
    for (;;) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Adds to an error what it is about. */
async function naming<T>(what: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof TideError && !error.message.startsWith(what))
      throw new TideError(error.code, `${what}: ${error.message}`, { cause: error });
    throw error;
  }
}

async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
