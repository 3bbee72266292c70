import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  realpathSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findTool } from './tools.ts';

const SOURCE = path.resolve(import.meta.dirname, '../fault/shim/powercut.c');

/** Names the library for processes that this one starts. */
const VARIABLE = 'TIDEGATE_SHIM_LIBRARY';

/** The preloaded library, compiled once for a process and those that it starts. Throws where there is no C compiler. */
export function shimLibrary(): string {
  const known = process.env[VARIABLE];
  if (known !== undefined && known !== '') return known;
  if (process.platform !== 'linux') throw new Error('the shim is preloaded by the loader of Linux; run this there');
  const gcc = findTool('gcc');
  if (gcc === null)
    throw new Error('a C compiler is needed: "sudo apt-get install -y gcc libc6-dev", or name one in the variable CC');
  const directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-shim-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const library = path.join(directory, 'powercut.so');
  execFileSync(gcc, ['-O2', '-fPIC', '-shared', '-o', library, SOURCE, '-ldl', '-lpthread']);
  process.env[VARIABLE] = library;
  return library;
}

/** Numbers in the page that steers the shim; powercut.c tells what they do. */
const SLOT = {
  delayUs: 0,
  hold: 1,
  failMask: 2,
  failFrom: 3,
  failTimes: 4,
  failErrno: 5,
  budget: 6,
  clockMs: 7,
  killAt: 8,
  operations: 16,
  matched: 17,
  failed: 18,
  used: 19,
  held: 20,
  unseen: 21,
} as const;

export const OPERATION = { write: 1, sync: 2, create: 4, resize: 8, rename: 16, remove: 32 } as const;
export const ERRNO = { EIO: 5, ENOSPC: 28 } as const;
/** Failures without an end: until somebody says otherwise. */
export const FOR_EVER = 2 ** 50;

export interface ShimOptions {
  /** Operations on files below it count. It need not be there yet. */
  directory: string;
  /** Records each operation to this file. */
  log?: string;
  /** A file outside the directory: what is written to it is recorded among the operations. */
  marks?: string;
  /** How long each fsync and fdatasync takes. */
  delayMs?: number;
}

/**
 * A process's view of the disk, steered from outside while it runs: syncs that take long or wait, operations that fail,
 * a disk of so many bytes, a clock that is wrong, a kill in place of an operation, a record of all that was done.
 */
export class Shim {
  private readonly home: string;
  private readonly fd: number;
  private readonly options: ShimOptions;

  constructor(options: ShimOptions) {
    this.options = options;
    this.home = mkdtempSync(path.join(os.tmpdir(), 'tidegate-control-'));
    const control = path.join(this.home, 'control');
    writeFileSync(control, Buffer.alloc(4096));
    this.fd = openSync(control, 'r+');
    if (options.delayMs !== undefined) this.set('delayUs', options.delayMs * 1000);
  }

  /** What a process needs in its environment; preloaded, so it has to be set when it starts. */
  get environment(): NodeJS.ProcessEnv {
    const { directory, log, marks } = this.options;
    const settled = existsSync(directory)
      ? realpathSync(directory)
      : path.join(realpathSync(path.dirname(directory)), path.basename(directory));
    const environment: NodeJS.ProcessEnv = {
      LD_PRELOAD: shimLibrary(),
      // Operations that are handed to the kernel in a ring are not seen.
      UV_USE_IO_URING: '0',
      TIDEGATE_SHIM_DIRECTORY: settled,
      TIDEGATE_SHIM_CONTROL: path.join(this.home, 'control'),
    };
    if (log !== undefined) environment['TIDEGATE_SHIM_LOG'] = log;
    if (marks !== undefined) environment['TIDEGATE_SHIM_MARKS'] = marks;
    return environment;
  }

  set(slot: keyof typeof SLOT, value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(Math.round(value)));
    writeSync(this.fd, bytes, 0, 8, SLOT[slot] * 8);
  }

  get(slot: keyof typeof SLOT): number {
    const bytes = Buffer.alloc(8);
    readSync(this.fd, bytes, 0, 8, SLOT[slot] * 8);
    return Number(bytes.readBigInt64LE());
  }

  /** Syncs begun from now on end only after `release`. */
  hold(): void {
    this.set('hold', 1);
  }

  release(): void {
    this.set('hold', 0);
  }

  /** Waits until a sync waits. */
  async holds(timeoutMs = 10_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (this.get('held') === 0) {
      if (Date.now() > deadline) throw new Error(`nothing was synced within ${timeoutMs} ms`);
      await sleep(5);
    }
  }

  /** Lets operations of some kinds (sum of OPERATION) fail, from the `from`th one from now on, `times` of them. */
  fail(kinds: number, errno: number, from = 1, times: number = FOR_EVER): void {
    this.set('failMask', 0);
    this.set('matched', 0);
    this.set('failErrno', errno);
    this.set('failFrom', from);
    this.set('failTimes', times);
    this.set('failMask', kinds);
  }

  succeed(): void {
    this.set('failMask', 0);
  }

  close(): void {
    closeSync(this.fd);
    rmSync(this.home, { recursive: true, force: true });
  }
}
