import { randomFillSync } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { bootClock, bootId } from '../../node/file-clock.ts';
import { defaultBallast, defaultQuota, QUOTA_FOUND, type BudgetOptions } from '../budget/budget-options.ts';
import { decodeCbor } from '../cbor.ts';
import { BOOTS, bootSchema, type Boot } from '../dating.ts';
import type { Disk, DiskFile } from '../disk.ts';

/** Held back for the moment when the disk is full: there for nothing else. */
const BALLAST_FILE = 'vault.ballast';
const UNFINISHED = `${BALLAST_FILE}.new`;
/** Written and synced at once, so that commits in between do not wait for long. */
const STEP = 512 * 1024;

export interface Sizes {
  /** Bytes of all files. */
  total: number;
  segments: number;
  /** Of snapshots of the catalogue. */
  state: number;
  ballast: number;
}

/** Bytes of all files below a directory. One that goes away meanwhile counts nothing. */
export function sizesOf(directory: string): Sizes {
  const sizes: Sizes = { total: 0, segments: 0, state: 0, ballast: 0 };
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const stat = statSync(path.join(directory, name), { throwIfNoEntry: false });
    if (stat?.isFile() !== true) continue;
    sizes.total += stat.size;
    if (name.startsWith(`segments${path.sep}`)) sizes.segments += stat.size;
    else if (name.startsWith(`state${path.sep}`)) sizes.state += stat.size;
    else if (name === BALLAST_FILE || name === UNFINISHED) sizes.ballast += stat.size;
  }
  return sizes;
}

/** Bytes that the file system has free for us. */
export function freeOn(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

export interface SettledBudget {
  quotaBytes: number;
  ballastBytes: number;
  retentionDays: number | undefined;
  /** Nobody set the quota: it is what was found at the first start, and to be kept. */
  found: boolean;
}

interface DocumentStore {
  get(namespace: string, key: string): Uint8Array | undefined;
  list(namespace: string): { key: string; value: Uint8Array }[];
}

/** What was set, and what was found at the first start for the rest. */
export function settledBudget(
  { quotaBytes, ballastBytes, retentionDays }: BudgetOptions,
  directory: string,
  documents: DocumentStore,
): SettledBudget {
  const quota = quotaBytes ?? keptQuota(documents) ?? defaultQuota(freeOn(directory), sizesOf(directory).total);
  return {
    quotaBytes: quota,
    ballastBytes: ballastBytes ?? defaultBallast(quota),
    retentionDays,
    found: quotaBytes === undefined,
  };
}

function keptQuota(documents: DocumentStore): number | undefined {
  const bytes = documents.get(QUOTA_FOUND.namespace, QUOTA_FOUND.key);
  const kept = bytes === undefined ? undefined : decodeCbor(bytes);
  return typeof kept === 'number' && Number.isSafeInteger(kept) && kept > 0 ? kept : undefined;
}

/** The right time: what the gateway knows of it, or the machine's clock in a vault that keeps no time. */
export function rightTime(documents: DocumentStore, clock: { now(): number }): number | undefined {
  const boots = documents.list(BOOTS).flatMap(({ value }) => bootSchema.safeParse(decodeCbor(value)).data ?? []);
  return boots.length === 0 ? clock.now() : timeKnownBy(boots);
}

/** The right time, epoch milliseconds, as far as the newest of these boots knows it; undefined while it does not. */
function timeKnownBy(boots: readonly Boot[]): number | undefined {
  const newest = boots.toSorted((a, b) => b.order - a.order).at(0);
  if (newest?.id !== bootId() || newest.offset === undefined || newest.doubtFrom !== undefined) return undefined;
  return bootClock.monotonic() + newest.offset;
}

/** Lets go of the ballast of a vault that is not open. False when there is none. */
export function releaseBallast(directory: string): boolean {
  const file = path.join(directory, BALLAST_FILE);
  if (!existsSync(file)) return false;
  rmSync(file);
  return true;
}

/** The ballast's file. It is filled with random bytes: a file system that compresses would keep nothing back for zeros. */
export class Ballast {
  private readonly disk: Disk;
  private readonly bytes: number;
  private growing: DiskFile | undefined;
  present: boolean;

  constructor(disk: Disk, bytes: number) {
    this.disk = disk;
    this.bytes = bytes;
    const names = disk.names();
    if (names.includes(UNFINISHED)) disk.remove(UNFINISHED);
    this.present = names.includes(BALLAST_FILE);
    if (this.present && this.size() !== bytes) this.release();
  }

  /** A step of making it; true when it is there. Throws TideErrors `disk-full` and `io`. */
  grow(): boolean {
    if (this.present) return true;
    const file = (this.growing ??= this.disk.create(UNFINISHED));
    if (file.size < this.bytes) {
      file.write(file.size, randomFillSync(Buffer.allocUnsafe(Math.min(STEP, this.bytes - file.size))));
      file.sync();
      return false;
    }
    this.close();
    this.disk.rename(UNFINISHED, BALLAST_FILE);
    this.disk.sync();
    this.present = true;
    return true;
  }

  /** Gives its room away, also that of one that is not finished. */
  release(): void {
    this.close();
    for (const name of [UNFINISHED, BALLAST_FILE]) this.disk.remove(name);
    this.disk.sync();
    this.present = false;
  }

  close(): void {
    this.growing?.close();
    this.growing = undefined;
  }

  private size(): number {
    const file = this.disk.open(BALLAST_FILE);
    try {
      return file.size;
    } finally {
      file.close();
    }
  }
}
