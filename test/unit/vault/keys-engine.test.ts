import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openVault, type KeyReference, type Vault } from '@tidegate/nodes/vault';
import type { Clock } from '../../../nodes/src/node/clock.ts';
import { openLocalVault } from '../../../nodes/src/vault/engine/sqlite-local.ts';
import { EngineKeys } from '../../../nodes/src/vault/keys/file-engine-keys.ts';
import { KeyStore } from '../../../nodes/src/vault/keys/file-key-store.ts';
import type { ShredPlan } from '../../../nodes/src/vault/keys/key-shred.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';

const clock: Clock = { now: () => Date.UTC(2026, 10, 21), monotonic: () => 0 };

describe('keys of an open vault', () => {
  let root: string;
  let directory: string;
  let old: KeyReference;
  let fresh: KeyReference;
  const vaults: Vault[] = [];

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'tidegate-keys-'));
    directory = path.join(root, 'vault');
    [old, fresh] = ['old', 'new'].map((name) => {
      const file = path.join(root, `${name}.key`);
      writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 });
      return { file };
    }) as [KeyReference, KeyReference];
  });

  afterEach(async () => {
    for (const vault of vaults.splice(0)) await vault.close();
    rmSync(root, { recursive: true, force: true });
  });

  for (const [name, opener] of [
    ['writer in a thread', openVault],
    ['writer on this thread', openLocalVault],
  ] as const) {
    const open = async (key: KeyReference): Promise<Vault> => {
      const vault = await opener({ directory, key });
      vaults.push(vault);
      return vault;
    };
    const close = async (vault: Vault): Promise<void> => {
      vaults.splice(vaults.indexOf(vault), 1);
      await vault.close();
    };
    const opensWith = async (key: KeyReference): Promise<boolean> => {
      try {
        const vault = await open(key);
        assert.deepEqual(await vault.documents.get('ns', 'a'), { value: 1 });
        await close(vault);
        return true;
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'wrong-key');
        return false;
      }
    };

    it(`rotate while it is written to, with a ${name}`, async () => {
      const vault = await open(old);
      await vault.commit([{ kind: 'document', namespace: 'ns', key: 'a', value: { value: 1 } }]);
      const secret = await vault.keys.derived('a purpose');
      assert.notEqual(await vault.keys.derived('another purpose'), secret);
      const [state] = await Promise.all([
        vault.keys.prepareRotation(fresh),
        vault.commit([{ kind: 'document', namespace: 'ns', key: 'b', value: 2 }]),
      ]);
      assert.equal(state, 'prepared');
      assert.equal(typeof (await vault.keys.status()).rotating, 'number');
      await vault.keys.confirmRotation(fresh);
      assert.equal((await vault.keys.status()).rotating, undefined);
      if (opener === openVault) {
        // Whoever shares it from now on names the key of now.
        await (await openVault({ directory, key: fresh })).close();
        await assert.rejects(openVault({ directory, key: old }), { code: 'wrong-key' });
      }
      assert.equal(await vault.keys.derived('a purpose'), secret);
      await vault.commit([{ kind: 'document', namespace: 'ns', key: 'c', value: 3 }]);
      await close(vault);
      assert.equal(await opensWith(old), false);
      assert.equal(await opensWith(fresh), true);
      const again = await open(fresh);
      assert.equal(await again.documents.get('ns', 'c'), 3);
      assert.equal(await again.keys.derived('a purpose'), secret);
    });

    it(`open with both secrets between the steps, and with the new one alone once it did, with a ${name}`, async () => {
      const vault = await open(old);
      await vault.commit([{ kind: 'document', namespace: 'ns', key: 'a', value: { value: 1 } }]);
      await vault.keys.prepareRotation(fresh);
      await close(vault);
      assert.equal(await opensWith(old), true);
      assert.equal(await opensWith(fresh), true);
      assert.equal(await opensWith(old), false);
    });

    it(`take a rotation back, and refuse a key that is no key, with a ${name}`, async () => {
      const vault = await open(old);
      await vault.commit([{ kind: 'document', namespace: 'ns', key: 'a', value: { value: 1 } }]);
      await vault.keys.prepareRotation(fresh);
      await vault.keys.cancelRotation();
      await assert.rejects(vault.keys.confirmRotation(fresh), { code: 'wrong-key' });
      await assert.rejects(vault.keys.prepareRotation({ file: path.join(root, 'nowhere') }), { code: 'no-key' });
      const inside = path.join(directory, 'inside.key');
      writeFileSync(inside, randomBytes(32).toString('hex'), { mode: 0o600 });
      await assert.rejects(vault.keys.prepareRotation({ file: inside }), { code: 'key-inside-vault' });
      assert.equal(await vault.keys.prepareRotation(old), 'done');
      await close(vault);
      assert.equal(await opensWith(fresh), false);
      assert.equal(await opensWith(old), true);
    });
  }

  it('are shredded after the data is gone, and a shred that was interrupted goes on at the next start', () => {
    const disk = new SimulatedDisk();
    const secret = randomBytes(32).toString('hex');
    writeFileSync((old as { file: string }).file, secret);
    let store = KeyStore.create({ disk, clock, secret });
    store.monthKey(Date.UTC(2026, 1, 1));
    store.monthKey(Date.UTC(2026, 2, 1));
    const log: string[] = [];
    let interrupted = true;
    const keysOf = (): EngineKeys =>
      new EngineKeys({
        store,
        directory,
        reference: old,
        keepCopy: (text) => log.push(`copy ${text === store.text}`),
        shredData: ({ before, months }: ShredPlan) => {
          log.push(`data before ${before}`);
          assert.deepEqual(months, ['2026-02']);
          assert.deepEqual(store.list().months, ['2026-02', '2026-03']);
          if (interrupted) throw new Error('the power is off');
          // A reading of that month came meanwhile.
          store.monthKey(Date.UTC(2026, 0, 31));
        },
      });
    assert.equal(keysOf().completeShred(), undefined);
    keysOf().beginShred('2026-03');
    assert.throws(() => keysOf().completeShred(), /power/);
    store = KeyStore.open({ disk: disk.crash(), clock, secret })!;
    assert.ok(keysOf().shredding);
    assert.equal(store.list().shredding?.before, '2026-03');
    interrupted = false;
    assert.deepEqual(keysOf().completeShred(), { before: '2026-03', months: ['2026-01', '2026-02'] });
    assert.deepEqual(store.list().months, ['2026-03']);
    assert.deepEqual(log, ['copy true', 'data before 2026-03', 'data before 2026-03', 'copy true']);
    assert.equal(keysOf().completeShred(), undefined);
  });
});
