import { mkdirSync } from 'node:fs';
import { cp, mkdtemp, readdir, rm, stat, statfs } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { TideError } from '@tidegate/nodes/node';
import { createKeyFile, type VaultOptions } from '@tidegate/nodes/vault';

import { GatewayExports, exportSocket } from '../backup/http-export.ts';
import { readConfig } from '../config/file-config.ts';
import { vaultOptionsOf } from '../config/vault-options.ts';
import { socketPath } from '../control/socket-path.ts';

export interface Workplace {
  cloudDirectory: string;
  vault: VaultOptions;
  close(): Promise<void>;
}

export interface Needs {
  diskBytes: number;
  memoryBytes: number;
}

/** Disk for each minute of a series: at the gateway, at the cloud with coarser ones, and the cloud's log. Measured, rounded up. */
const BYTES_A_MINUTE = 110;
const BASE_DISK = 300 << 20;
const BASE_MEMORY = 700 << 20;
const MEMORY_A_SERIES = 120 << 10;

/** What a drill takes while it lasts. */
export function needsOf(days: number, series: number, copied: number): Needs {
  return {
    diskBytes: BASE_DISK + days * 1440 * series * BYTES_A_MINUTE + copied,
    memoryBytes: BASE_MEMORY + series * MEMORY_A_SERIES,
  };
}

/** Bytes of the vault of a gateway that does not run. Throws TideErrors `no-gateway`, `gateway-runs`. */
export async function vaultBytes(directory: string): Promise<number> {
  const config = await readConfig(directory);
  if (await GatewayExports.listens(exportSocket(socketPath(directory, os.tmpdir(), process.platform))))
    throw new TideError(
      'gateway-runs',
      `the gateway in ${directory} is running; stop it, or drill on a copy made with "tidegate export" and "tidegate import"`,
    );
  return treeBytes(vaultOptionsOf(path.resolve(directory), config).directory);
}

async function treeBytes(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) bytes += (await stat(path.join(entry.parentPath, entry.name))).size;
  return bytes;
}

/** Throws TideError `no-room`. */
export async function checkRoom({ diskBytes, memoryBytes }: Needs): Promise<{ freeDisk: number; freeMemory: number }> {
  const { bavail, bsize } = await statfs(os.tmpdir());
  const freeDisk = bavail * bsize;
  const freeMemory = process.availableMemory();
  if (freeDisk < diskBytes)
    throw new TideError(
      'no-room',
      `the drill needs ${megabytes(diskBytes)} in ${os.tmpdir()}, ${megabytes(freeDisk)} are free: take fewer --days or --series, or set TMPDIR`,
    );
  if (freeMemory < memoryBytes)
    throw new TideError(
      'no-room',
      `the drill needs ${megabytes(memoryBytes)} of memory, ${megabytes(freeMemory)} are free: take fewer --series`,
    );
  return { freeDisk, freeMemory };
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;

/** A vault of the drill's own, or a copy of a gateway's; both in a temporary directory that `close` removes. */
export async function makeWorkplace(original: string | undefined): Promise<Workplace> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'tidegate-drill-'));
  const close = (): Promise<void> => rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  try {
    const vaultDirectory = path.join(directory, 'vault');
    const cloudDirectory = path.join(directory, 'cloud');
    if (original === undefined) {
      const file = path.join(directory, 'vault.key');
      createKeyFile(file);
      mkdirSync(vaultDirectory);
      return { cloudDirectory, vault: { directory: vaultDirectory, key: { file } }, close };
    }
    const options = vaultOptionsOf(path.resolve(original), await readConfig(original));
    await cp(options.directory, vaultDirectory, { recursive: true });
    // Without its budget: what the drill adds must not push out what is in it.
    return { cloudDirectory, vault: { directory: vaultDirectory, key: options.key }, close };
  } catch (error) {
    await close();
    throw error;
  }
}
