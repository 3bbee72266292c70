import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openVault, type Vault } from '@tidegate/nodes/vault';

/** A directory with a key beside a real vault; the vault can be opened, closed and opened again. */
export class TemporaryVault {
  readonly root: string;
  readonly directory: string;
  readonly keyFile: string;
  private readonly opened: Vault[] = [];

  private constructor(root: string) {
    this.root = root;
    this.directory = path.join(root, 'vault');
    this.keyFile = path.join(root, 'vault.key');
  }

  static async make(): Promise<TemporaryVault> {
    const made = new TemporaryVault(await mkdtemp(path.join(tmpdir(), 'tidegate-vault-')));
    await writeFile(made.keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    return made;
  }

  async open(): Promise<Vault> {
    const vault = await openVault({ directory: this.directory, key: { file: this.keyFile } });
    this.opened.push(vault);
    return vault;
  }

  /** For one that the test has closed itself. */
  forget(vault: Vault): void {
    this.opened.splice(this.opened.indexOf(vault), 1);
  }

  /** Closes what is still open and removes everything. */
  async remove(): Promise<void> {
    for (const vault of this.opened.splice(0)) await vault.close();
    await rm(this.root, { recursive: true, force: true });
  }
}
