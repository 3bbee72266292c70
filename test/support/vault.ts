import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Reading } from '@tidegate/nodes/reading';
import type { Vault, VaultOptions } from '@tidegate/nodes/vault';

/** A folder for one vault, with a random key beside it. */
export class VaultFolder {
  readonly root = mkdtempSync(path.join(os.tmpdir(), 'tidegate-vault-'));
  readonly directory = path.join(this.root, 'vault');
  readonly key = { file: path.join(this.root, 'vault.key') };
  /** What the key file holds. */
  readonly secret = randomBytes(32).toString('hex');

  constructor() {
    writeFileSync(this.key.file, `${this.secret}\n`, { mode: 0o600 });
  }

  get options(): VaultOptions {
    return { directory: this.directory, key: this.key };
  }

  file(name: string): string {
    return path.join(this.directory, name);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export function reading(series: string, value: Reading['value'], rest: Partial<Reading> = {}): Reading {
  return { series, time: 1_790_000_000_000, value, quality: 'good', clock: 'gateway', ...rest };
}

/** All readings that the journal has from a position on, read `limit` at a time. */
export async function journalOf({ journal }: Vault, source?: string, limit = 1_000, first = 1): Promise<Reading[]> {
  const all: Reading[] = [];
  let from: number | undefined = first;
  while (from !== undefined) {
    const slice = await journal.read(from, limit, source);
    all.push(...slice.readings);
    from = slice.next;
  }
  return all;
}
