import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLocalVault, type BudgetOptions, type Vault, type VaultSizes } from '@tidegate/nodes/vault';
import { Shim, type ShimOptions } from '../../../support/shim.ts';
import { Layout, filesBelow } from './layout.ts';
import { Ledger } from './ledger.ts';
import { Random } from '../random.ts';
import { WITHOUT_END, type Act, type Task, type Upkeep } from './task.ts';
import { Workload } from './workload.ts';

const WRITERS = 4;

export interface WorkloadOptions extends Partial<Pick<Upkeep, 'shreds'>> {
  shim?: Partial<ShimOptions> | undefined;
  /** Of each writer; absent: without end, and with folds in between. */
  steps?: number;
  acts?: readonly Act[];
  budget?: BudgetOptions | undefined;
}

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
  /** Small ones mostly, so that folds are frequent and files of the journal are used again. */
  readonly sizes: VaultSizes;
  private readonly marksFile: string;
  private marksTaken = 0;
  private tasks = 0;

  constructor(seed: string, sizes?: VaultSizes) {
    this.home = mkdtempSync(path.join(roomForRounds(), 'tidegate-campaign-'));
    this.ledger = new Ledger(seed, WRITERS);
    this.marksFile = path.join(this.home, 'marks');
    const random = new Random(`${seed}/sizes`);
    const small = () => ({
      unfolded: random.pick([65_536, 131_072, 524_288]),
      journalFile: random.pick([32_768, 65_536, 262_144]),
    });
    this.sizes = sizes ?? (random.chance(0.1) ? {} : small());
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
  workload(options: WorkloadOptions = {}): Workload {
    const { shim, steps = WITHOUT_END, acts = [], shreds = false, budget } = options;
    const file = path.join(this.home, `task-${++this.tasks}.json`);
    const task: Task = {
      directory: this.directory,
      key: this.key,
      marks: this.marksFile,
      seed: this.ledger.seed,
      writers: this.ledger.writers.map(({ state }) => state),
      steps,
      sizes: this.sizes,
      budget,
      acts,
      upkeep: { folds: steps === WITHOUT_END, shreds },
    };
    writeFileSync(file, JSON.stringify(task));
    const preload = shim && new Shim({ directory: this.directory, marks: this.marksFile, ...shim });
    return new Workload(file, preload);
  }

  /** Takes what the processes have acknowledged since the last call. */
  takeMarks(): void {
    this.ledger.take(this.newMarks());
  }

  /** Waits until a process has had so many more steps acknowledged and folds ended, or has ended, or for five seconds. */
  async acknowledges(workload: Workload, count: number, folds = 0): Promise<void> {
    const deadline = Date.now() + 5_000;
    const before = statSync(this.marksFile).size;
    while (workload.running && Date.now() < deadline) {
      const lines = readFileSync(this.marksFile).subarray(before).toString().split('\n');
      const steps = lines.filter((line) => /^(appended|committed) /.test(line)).length;
      if (steps >= count && lines.filter((line) => line === 'folded').length >= folds) return;
      await sleep(4);
    }
  }

  /** Whole lines that no call has given before. */
  newMarks(): string {
    const bytes = readFileSync(this.marksFile).subarray(this.marksTaken);
    const whole = bytes.lastIndexOf('\n'.charCodeAt(0)) + 1;
    this.marksTaken += whole;
    return bytes.toString('utf8', 0, whole);
  }

  /** On this thread: it is the files that are looked at, and a thread costs half a second each time. */
  open(key = this.key): Promise<Vault> {
    return openLocalVault({ directory: this.directory, key: { file: key }, sizes: this.sizes });
  }

  /** Runs something with the vault open and closes it. */
  async with<T>(use: (vault: Vault) => Promise<T>, key = this.key): Promise<T> {
    const vault = await this.open(key);
    try {
      return await use(vault);
    } finally {
      await vault.close();
    }
  }

  /** The same, and the files lie there afterwards as if it had not been opened. */
  async ask<T>(use: (vault: Vault) => Promise<T>, key = this.key): Promise<T> {
    const { layout } = this;
    layout.keep();
    const files = filesBelow(this.directory);
    try {
      return await this.with(use, key);
    } finally {
      layout.put(files);
    }
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}
