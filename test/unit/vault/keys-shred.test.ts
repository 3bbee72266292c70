import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Vault } from '@tidegate/nodes/vault';
import { systemClock } from '../../../nodes/src/node/clock.ts';
import { FileDisk } from '../../../nodes/src/vault/file-disk.ts';
import { KeyStore } from '../../../nodes/src/vault/keys/file-key-store.ts';
import { monthFrom, monthKey, monthOfTime, monthText } from '../../../nodes/src/vault/keys/key-numbers.ts';
import { TemporaryVault } from '../../support/temporary-vault.ts';

const COUNT = 500;

/** The first moment of a month, so many months ago. */
function monthsAgo(count: number): number {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - count, 1);
}

async function fill(vault: Vault, time: number): Promise<void> {
  const readings = Array.from({ length: COUNT }, (_, i) => ({
    series: 'line/pump',
    time: time + i * 1_000,
    value: i / 10,
    quality: 'good' as const,
    clock: 'device' as const,
  }));
  await vault.journal.append({ source: 'door', readings });
}

async function times(vault: Vault): Promise<number[]> {
  const found: number[] = [];
  for await (const page of vault.query({ series: ['line/pump'] })) found.push(...page.map(({ time }) => time));
  return found.toSorted((a, b) => a - b);
}

describe('a shredded month', function () {
  this.timeout(60_000);
  const [doomed, kept, present] = [monthsAgo(9), monthsAgo(8), monthsAgo(0)];
  const before = monthText(monthOfTime(kept)!);
  const id = monthKey(monthOfTime(doomed)!, 0);
  let temporary: TemporaryVault;
  let secret: string;

  /** What opens with a secret from a copy of `vault.keys`. */
  function keysIn(file: string, with_: string): KeyStore | undefined {
    const directory = path.join(temporary.root, `copy-${path.basename(file)}-${randomBytes(4).toString('hex')}`);
    mkdirSync(directory);
    copyFileSync(file, path.join(directory, 'vault.keys'));
    return KeyStore.open({ disk: new FileDisk(directory), clock: systemClock, secret: with_ });
  }

  beforeEach(async () => {
    temporary = await TemporaryVault.make();
    secret = readFileSync(temporary.keyFile, 'utf8').trim();
  });

  afterEach(() => temporary.remove());

  it('is gone for good, with its key, and the rest is not', async () => {
    let vault = await temporary.open();
    for (const time of [doomed, kept, present]) await fill(vault, time);
    await vault.close();
    temporary.forget(vault);
    vault = await temporary.open();
    // The first shred finds nothing so old, and folds all there is into segments on its way.
    assert.deepEqual((await vault.keys.shred('1980-01')).months, []);
    assert.ok((await vault.keys.status()).months.includes(monthText(monthOfTime(doomed)!)));
    const header = path.join(temporary.directory, 'vault.keys');
    const old = path.join(temporary.root, 'old.keys');
    copyFileSync(header, old);
    const { keys } = JSON.parse(readFileSync(old, 'utf8')) as { keys: { id: number; wrapped: string }[] };
    const { wrapped } = keys.find((key) => key.id === id)!;

    // What was journalled before lies under a key that goes, what is journalled meanwhile under one that stays.
    const meanwhile = fill(vault, present + COUNT * 1_000);
    assert.deepEqual(await vault.keys.shred(before), { before, months: [monthText(monthOfTime(doomed)!)] });
    await meanwhile;
    const expected = [kept, present, present + COUNT * 1_000].flatMap((time) =>
      Array.from({ length: COUNT }, (_, i) => time + i * 1_000),
    );
    assert.deepEqual(await times(vault), expected);
    await vault.close();
    temporary.forget(vault);

    for (const name of readdirSync(temporary.directory, { recursive: true, encoding: 'utf8' })) {
      const file = path.join(temporary.directory, name);
      if (!statSync(file).isFile()) continue;
      const bytes = readFileSync(file);
      assert.ok(!bytes.includes(wrapped) && !bytes.includes(Buffer.from(wrapped, 'base64')), `wrapped key in ${name}`);
    }
    const after = keysIn(header, secret)!;
    assert.equal(after.ring.recordKey(id), undefined);
    assert.ok(after.ring.recordKey(monthKey(monthFrom(before)!, 0)) !== undefined);
    assert.equal(after.pendingShred(), undefined);
    assert.equal(after.list().journalKeys, 1);

    vault = await temporary.open();
    assert.deepEqual(await times(vault), expected);
    const { shredded } = await vault.keys.status();
    assert.deepEqual(
      shredded.map(({ month }) => month),
      [monthText(monthOfTime(doomed)!)],
    );
    const { problems, damaged } = await vault.stats();
    assert.deepEqual([problems, damaged], [[], 0]);

    // What docs/vault.md says of old copies: the old secret opens them, and a key that came after the shred does not.
    assert.ok(keysIn(old, secret)?.ring.recordKey(id) !== undefined);
    const next = path.join(temporary.root, 'next.key');
    writeFileSync(next, randomBytes(32).toString('hex'), { mode: 0o600 });
    await vault.keys.prepareRotation({ file: next });
    await vault.keys.confirmRotation({ file: next });
    assert.throws(() => keysIn(old, readFileSync(next, 'utf8')), { code: 'wrong-key' });
    assert.throws(() => keysIn(header, secret), { code: 'wrong-key' });
  });

  it('takes readings that arrive afterwards under another key', async () => {
    const vault = await temporary.open();
    for (const time of [doomed, present]) await fill(vault, time);
    await vault.keys.shred(before);
    await fill(vault, doomed);
    assert.equal((await times(vault)).length, 2 * COUNT);
    assert.deepEqual((await vault.keys.shred('1980-01')).months, []);
    assert.equal((await times(vault)).filter((time) => time < kept).length, COUNT);
    assert.deepEqual((await vault.keys.shred(before)).months, [monthText(monthOfTime(doomed)!)]);
    assert.equal((await times(vault)).length, COUNT);
  });
});
