import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Alert } from '@tidegate/nodes/detect';
import type { Clock } from '@tidegate/nodes/node';
import { addReading, emptySummary, type Part } from '@tidegate/nodes/summary';
import { createKeyFile, openVault, type Vault } from '@tidegate/nodes/vault';

/** Time that stands still until a test moves it. */
export class SetClock implements Clock {
  time: number;
  private readonly start: number;

  constructor(time = 1_700_000_000_000) {
    this.time = time;
    this.start = time;
  }

  /** Whole milliseconds, as every machine tells them. */
  now(): number {
    return Math.floor(this.time);
  }

  monotonic(): number {
    return this.time - this.start;
  }
}

/** A real vault in a directory of its own, gone after `close`. */
export class VaultRig {
  readonly directory: string;
  vault: Vault;

  private constructor(directory: string, vault: Vault) {
    this.directory = directory;
    this.vault = vault;
  }

  static async open(): Promise<VaultRig> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'tidegate-sync-'));
    createKeyFile(path.join(directory, 'key'));
    await mkdir(path.join(directory, 'vault'));
    return new VaultRig(directory, await openIn(directory));
  }

  /** As after a restart of the gateway. */
  async reopen(): Promise<Vault> {
    await this.vault.close();
    this.vault = await openIn(this.directory);
    return this.vault;
  }

  /** As after the directory was copied to another place, and the copy started there. */
  async moved(): Promise<Vault> {
    await this.vault.close();
    await cp(path.join(this.directory, 'vault'), path.join(this.directory, 'copy'), { recursive: true });
    await rm(path.join(this.directory, 'vault'), { recursive: true });
    await rename(path.join(this.directory, 'copy'), path.join(this.directory, 'vault'));
    this.vault = await openIn(this.directory);
    return this.vault;
  }

  async close(): Promise<void> {
    await this.vault.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

function openIn(directory: string): Promise<Vault> {
  return openVault({ directory: path.join(directory, 'vault'), key: { file: path.join(directory, 'key') } });
}

/** One part: a minute in which the series had these values. */
export function part(vault: Vault, series: string, minute: number, ...values: number[]): Part {
  const windowStart = minute * 60_000;
  let summary = emptySummary();
  for (const [i, value] of values.entries()) {
    const time = windowStart + i * 1000;
    const position = minute * 1000 + i + 1;
    summary = addReading(summary, { series, time, value, quality: 'good', clock: 'device', position });
  }
  return { series: vault.series.number(series), windowStart, summary };
}

export function alert(number: number, series = 'line1/pump/temperature', revision = 1): Alert {
  return {
    id: number.toString(16).padStart(32, '0'),
    revision,
    series,
    time: 1_700_000_000_000 + number,
    state: revision === 1 ? 'open' : 'closed',
    severity: 'warning',
    kind: 'limits',
    value: 95,
    text: 'too hot',
  };
}

/** Numbers in 0..1 that follow from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
