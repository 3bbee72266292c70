import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Owner } from '../../../nodes/src/vault/catalogue/sqlite-owner.ts';

describe('the lock of a vault', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-owner-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('can be taken whatever bit of it has flipped, and holds', function () {
    this.timeout(60_000);
    const file = path.join(directory, 'vault.lock');
    Owner.claim(directory).release();
    const whole = readFileSync(file);
    let tried = 0;
    for (let at = 0; at < whole.length; at++) {
      if (whole[at] === 0 && at % 61 !== 0) continue;
      const changed = Buffer.from(whole);
      changed[at] ^= 1 << (at % 8);
      writeFileSync(file, changed);
      const owner = Owner.claim(directory);
      // It waits a moment for whoever holds it: a sample is enough.
      if (tried++ % 25 === 0) assert.throws(() => Owner.claim(directory), { code: 'owned' }, `byte ${at}`);
      owner.release();
    }
    assert.ok(tried > 100, `${tried} bytes`);
  });
});
