import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openVault, type Vault } from '@tidegate/nodes/vault';
import { Shim, type ShimOptions } from '../../support/shim.ts';
import { Layout, filesBelow } from './layout.ts';
import { Ledger } from './ledger.ts';
import { Workload } from './workload.ts';
import { WITHOUT_END } from './task.ts';

const WRITERS = 4;

/** Memory where there is some: a round costs less, and what a cut loses is decided by the model, not by the disk. */
function roomForRounds(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return os.tmpdir();
  }
}

/** A place with a vault, its key, and the ledger of what was promised about it. */
export class Site {
  readonly home: string;
  readonly ledger: Ledger;
  private readonly marksFile: string;
  private marksTaken = 0;
  private tasks = 0;

  constructor(seed: string, home = mkdtempSync(path.join(roomForRounds(), 'tidegate-campaign-')), writers = WRITERS) {
    this.home = home;
    this.ledger = new Ledger(seed, writers);
    this.marksFile = path.join(home, 'marks');
    writeFileSync(this.key, randomBytes(32).toString('hex'), { mode: 0o600 });
    writeFileSync(this.marksFile, '');
  }

  get directory(): string {
    return path.join(this.home, 'vault');
  }

  get layout(): Layout {
    return new Layout(this.directory, path.join(this.home, 'inodes'));
  }

  get key(): string {
    return path.join(this.home, 'key');
  }

  get log(): string {
    return path.join(this.home, 'log');
  }

  /** A process that will go on where the ledger stands. It waits for `go`. */
  workload(options: { shim?: Partial<ShimOptions> | undefined; steps?: number } = {}): Workload {
    const { shim, steps = WITHOUT_END } = options;
    const file = path.join(this.home, `task-${++this.tasks}.json`);
    const task = {
      directory: this.directory,
      key: this.key,
      marks: this.marksFile,
      seed: this.ledger.seed,
      writers: this.ledger.writers.map(({ state }) => state),
      steps,
    };
    writeFileSync(file, JSON.stringify(task));
    const preload = shim && new Shim({ directory: this.directory, marks: this.marksFile, ...shim });
    return new Workload(file, preload);
  }

  /** Takes what the processes have acknowledged since the last call. */
  takeMarks(): void {
    this.ledger.take(this.newMarks());
  }

  /** Whole lines that no call has given before. */
  newMarks(): string {
    const bytes = readFileSync(this.marksFile).subarray(this.marksTaken);
    const whole = bytes.lastIndexOf('\n'.charCodeAt(0)) + 1;
    this.marksTaken += whole;
    return bytes.toString('utf8', 0, whole);
  }

  open(): Promise<Vault> {
    return openVault({ directory: this.directory, key: { file: this.key } });
  }

  /** Runs something with the vault open and closes it. */
  async with<T>(use: (vault: Vault) => Promise<T>): Promise<T> {
    const vault = await this.open();
    try {
      return await use(vault);
    } finally {
      await vault.close();
    }
  }

  /** The same, and the files lie there afterwards as if it had not been opened. */
  async ask<T>(use: (vault: Vault) => Promise<T>): Promise<T> {
    const { layout } = this;
    layout.keep();
    const files = filesBelow(this.directory);
    try {
      return await this.with(use);
    } finally {
      layout.put(files);
    }
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}
