import assert from 'node:assert/strict';
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Reading } from '@tidegate/nodes/reading';
import { openLocalVault, openVault, type Change, type Vault } from '@tidegate/nodes/vault';
import { VaultFolder, journalOf, reading } from '../../support/vault.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const T0 = Date.UTC(2026, 10, 1);

const batch = (from: number, count: number): Reading[] =>
  Array.from({ length: count }, (_, i) =>
    reading(`line${(from + i) % 3}/pump`, Math.round(Math.sin(from + i) * 1000) / 100, {
      time: T0 + (from + i) * 1000,
    }),
  );

async function queryAll(vault: Vault, series: readonly string[], from?: number, to?: number): Promise<Reading[]> {
  const all: Reading[] = [];
  const span = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  for await (const page of vault.query({ series, ...span })) all.push(...page);
  return all;
}

/** The contents of a directory as they were, but for what tells where it lies. */
function putBack(from: string, to: string): void {
  for (const name of readdirSync(to)) if (name !== PLACE) rmSync(path.join(to, name), { recursive: true });
  for (const name of readdirSync(from))
    if (name !== PLACE) cpSync(path.join(from, name), path.join(to, name), { recursive: true });
}

const PLACE = 'vault.place';

const plain = ({ position: _position, ...rest }: Reading): Reading => rest;

async function check(other: Vault, readings: readonly Reading[]): Promise<void> {
  for (const series of ['line0/pump', 'line1/pump', 'line2/pump']) {
    const expected = readings.filter((one) => one.series === series);
    assert.deepEqual((await queryAll(other, [series])).map(plain), expected);
  }
  assert.equal(other.journal.head, readings.length + 1);
  assert.deepEqual(await other.documents.get('state', 'set-point'), { bar: 4.5 });
  const saved = await other.checkpoints.load('detect/a');
  assert.equal(saved?.replayFrom, 2_501);
  assert.equal(saved?.series[0].position, 2_600);
  assert.equal((await other.outbox.alerts(10, new Set())).length, 1);
  const blocks = await other.outbox.peek('operations/60', 'oldest', [], 1_000_000);
  assert.deepEqual(
    blocks.map(({ number, body }) => [number, new TextDecoder().decode(body).slice(0, 8).trim()]),
    Array.from({ length: 15 }, (_, i) => [i + 6, `block ${i + 6} `.slice(0, 8).trim()]),
  );
  assert.equal((await other.journal.receipts()).length, 30);
  assert.equal((await other.stats()).damaged, 0);
  for await (const finding of other.verify()) assert.fail(JSON.stringify(finding));
}

describe('the engine of the vault', () => {
  let folder: VaultFolder;
  let vault: Vault;

  beforeEach(async () => {
    folder = new VaultFolder();
    vault = await openLocalVault(folder.options);
  });

  afterEach(async () => {
    await vault.close();
    folder.remove();
  });

  /** Opens what a process that is killed now leaves, in its own place: elsewhere it would be a copy. */
  async function crash(change: (directory: string) => void = () => undefined): Promise<void> {
    const left = path.join(folder.root, 'left');
    cpSync(folder.directory, left, { recursive: true });
    await vault.close();
    putBack(left, folder.directory);
    rmSync(left, { recursive: true });
    change(folder.directory);
    vault = await openLocalVault(folder.options);
  }

  const fill = async (): Promise<Reading[]> => {
    const readings = batch(0, 3_000);
    for (let i = 0; i < readings.length; i += 100)
      await vault.journal.append({ source: 'door', readings: readings.slice(i, i + 100), receipts: [BigInt(i + 1)] });
    const changes: Change[] = [
      { kind: 'consumer', consumer: 'detect/a', replayFrom: 2_501 },
      { kind: 'checkpoint', consumer: 'detect/a', series: 1, position: 2_600, state: bytes('state') },
      { kind: 'document', namespace: 'state', key: 'set-point', value: { bar: 4.5 } },
      { kind: 'alert', id: 'ab', revision: 1, body: bytes('alert') },
    ];
    await vault.commit(changes);
    for (let i = 1; i <= 20; i++)
      await vault.commit([{ kind: 'block', stream: 'operations/60', body: bytes(`block ${i} ${'x'.repeat(100)}`) }]);
    await vault.commit([{ kind: 'blocks-acknowledged', stream: 'operations/60', ranges: [[1, 5]] }]);
    return readings;
  };

  it('has everything after a crash before the first fold', async () => {
    const readings = await fill();
    await crash();
    await check(vault, readings);
  });

  it('has everything after a fold, after a crash, and after a proper close', async () => {
    const readings = await fill();
    await vault.fold();
    await check(vault, readings);
    await crash();
    await check(vault, readings);
    await vault.close();
    vault = await openLocalVault(folder.options);
    await check(vault, readings);
    assert.equal((await vault.stats()).segments, 1);
  });

  it('asks for a span of time across segments and what is open', async () => {
    const readings = batch(0, 900);
    for (let i = 0; i < 900; i += 300) {
      await vault.journal.append({ source: 'door', readings: readings.slice(i, i + 300) });
      if (i < 600) await vault.fold();
    }
    const [from, to] = [T0 + 250_000, T0 + 750_000];
    const found = await queryAll(vault, ['line2/pump', 'line0/pump', 'unknown'], from, to);
    const expected = ['line0/pump', 'line2/pump'].flatMap((name) =>
      readings.filter(({ series, time }) => series === name && time >= from && time < to),
    );
    assert.deepEqual(found.map(plain), expected);
  });

  for (const [what, name] of [
    ['the catalogue', 'catalogue.db'],
    ["the catalogue's log", 'catalogue.db-wal'],
    ['the sum of the catalogue', 'catalogue.sum'],
  ] as const) {
    it(`loses nothing when ${what} is lost`, async () => {
      const readings = await fill();
      await vault.fold();
      await vault.commit([{ kind: 'document', namespace: 'later', key: 'a', value: 1 }]);
      const { incarnation } = vault;
      await crash((directory) => rmSync(path.join(directory, name), { force: true }));
      assert.equal(await vault.documents.get('later', 'a'), 1);
      await check(vault, readings);
      assert.equal(vault.incarnation, incarnation);
    });
  }

  it('makes the catalogue again from a snapshot that was taken while others committed', async () => {
    await vault.close();
    vault = await openVault(folder.options);
    const fold = { ended: false };
    const folded = vault.fold().then(() => (fold.ended = true));
    for (let i = 0; !fold.ended; i++)
      await vault.commit([{ kind: 'document', namespace: 'many', key: String(i), value: i }]);
    await folded;
    const before = await vault.documents.list('many');
    await crash((directory) => rmSync(path.join(directory, 'catalogue.db')));
    assert.ok(before.length > 3);
    assert.deepEqual(await vault.documents.list('many'), before);
  });

  it('makes the catalogue again when one bit of it is flipped', async () => {
    const readings = await fill();
    await vault.fold();
    await vault.close();
    const left = path.join(folder.root, 'left');
    cpSync(folder.directory, left, { recursive: true });
    const whole = readFileSync(path.join(left, 'catalogue.db'));
    for (let i = 0; i < 20; i++) {
      putBack(left, folder.directory);
      const flipped = Buffer.from(whole);
      const bit = Math.floor(((i + 0.5) / 20) * whole.length * 8);
      flipped[bit >> 3] ^= 1 << (bit & 7);
      writeFileSync(path.join(folder.directory, 'catalogue.db'), flipped);
      vault = await openLocalVault(folder.options);
      assert.match((await vault.stats()).problems.join('\n'), /catalogue\.db is damaged/);
      await check(vault, readings);
      await vault.close();
    }
    putBack(left, folder.directory);
    vault = await openLocalVault(folder.options);
  });

  it('lets the journal go once it is folded and consumers have passed, and keeps it for those that have not', async () => {
    await fill();
    await vault.fold();
    const replayed = await journalOf(vault, 'door');
    assert.ok(replayed.some(({ position }) => position === 2_501));
    assert.equal((await vault.journal.read(2_501, 10)).readings[0].position, 2_501);
  });
});
