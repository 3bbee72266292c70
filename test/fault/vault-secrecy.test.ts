import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { Program } from '../support/process.ts';
import { VaultFolder } from '../support/vault.ts';
import { NEEDLES, fill } from '../support/vault-needles.ts';
import { openVault } from '@tidegate/nodes/vault';

/** Every file below a directory with its bytes. */
function filesOf(directory: string): { name: string; bytes: Buffer }[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => ({ name: entry.name, bytes: readFileSync(path.join(entry.parentPath, entry.name)) }));
}

function assertNothingReadable(folder: VaultFolder, files: readonly { name: string; bytes: Buffer }[]): void {
  const needles: Buffer[] = NEEDLES.flatMap((text) => [Buffer.from(text), Buffer.from(text, 'utf16le')]);
  for (const value of [271828.1828, 31415.9265]) {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    needles.push(Buffer.from(bytes), Buffer.from(bytes.toReversed()), Buffer.from(String(value)));
  }
  needles.push(Buffer.from(folder.secret), Buffer.from(folder.secret, 'hex'));
  for (const { name, bytes } of files) {
    for (const needle of needles)
      assert.equal(bytes.includes(needle), false, `${name} holds ${needle.toString('latin1')}`);
  }
}

describe('what lies on the disk', () => {
  it('holds no name, topic, unit, value, alert, document or key, closed or cut off in the middle', async function () {
    this.timeout(30_000);
    const folder = new VaultFolder();
    try {
      const child = Program.node('writer', 'test/support/vault-needles.ts', [folder.directory, folder.key.file]);
      await child.line(/^filled/);
      await child.kill();
      const cutOff = filesOf(folder.directory);
      assert.ok(cutOff.reduce((sum, { bytes }) => sum + bytes.length, 0) > 10_000);
      assertNothingReadable(folder, cutOff);

      const vault = await openVault(folder.options);
      await fill(vault, 2);
      await vault.close();
      const closed = filesOf(folder.directory);
      assert.ok(closed.some(({ name }) => name === 'vault.keys'));
      assertNothingReadable(folder, closed);
    } finally {
      folder.remove();
    }
  });
});
