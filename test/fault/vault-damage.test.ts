import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { TideError } from '@tidegate/nodes/node';
import { openLocalVault, openVault, type Vault } from '@tidegate/nodes/vault';
import { Layout, filesBelow } from './campaign/vault/layout.ts';
import { Program } from '../support/process.ts';
import { isDatabase, vaultFiles } from '../support/vault-files.ts';
import { VaultFolder, journalOf, reading } from '../support/vault.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Name, size, time and hash of every file, save SQLite's index in shared memory, which readers write to as well. */
function fingerprint(directory: string): string[] {
  return vaultFiles(directory)
    .filter((name) => !name.endsWith('-shm'))
    .map((name) => {
      const file = path.join(directory, name);
      const { size, mtimeMs } = statSync(file);
      return `${name} ${size} ${mtimeMs} ${createHash('sha256').update(readFileSync(file)).digest('hex')}`;
    });
}

/** Puts something of every kind into the vault. */
async function fill(vault: Vault): Promise<void> {
  for (let i = 1; i <= 3; i++) {
    await vault.journal.append({ source: 'a', readings: [reading(`s${i}`, i)], receipts: [BigInt(i)], cause: i });
    await vault.commit([
      { kind: 'checkpoint', consumer: 'c', series: i, position: i, state: bytes(`state ${i}`) },
      { kind: 'consumer', consumer: 'c', replayFrom: 2 },
      { kind: 'block', stream: 's', body: bytes(`block ${i}`) },
      { kind: 'alert', id: `alert ${i}`, revision: 1, body: bytes('x') },
      { kind: 'document', namespace: 'n', key: `k${i}`, value: i },
    ]);
  }
}

/** Everything in the vault, in words that can be compared. */
interface Contents {
  readings: string[];
  /** Body by stream and number. */
  blocks: Map<string, string>;
  /** Everything else, an entry each. */
  others: string[];
  replayFrom: number;
}

const text = (body: Uint8Array): string => new TextDecoder().decode(body);

async function contentsOf(vault: Vault): Promise<Contents> {
  const readings = (await journalOf(vault)).map((one) => JSON.stringify(one));
  const blocks = await vault.outbox.peek('s', 'oldest', [], 1e6);
  const alerts = await vault.outbox.alerts(10, new Set());
  const documents = await vault.documents.list('n');
  const saved = await vault.checkpoints.load('c');
  return {
    readings,
    blocks: new Map(blocks.map(({ number, body }) => [`s ${number}`, text(body)])),
    others: [
      ...alerts.map(({ id, revision, body }) => `alert ${id}/${revision} ${text(body)}`),
      ...documents.map(({ key, value }) => `document ${key} ${String(value)}`),
      ...(saved?.series ?? []).map(({ series, position, state }) => `checkpoint ${series} ${position} ${text(state)}`),
      ...(await vault.journal.receipts()).map((receipt) => `receipt ${receipt}`),
      `cause ${await vault.journal.cause('a')}`,
    ],
    replayFrom: await vault.checkpoints.replayFrom(),
  };
}

/**
 * Opens a vault that was damaged: what is not as it was is named, nothing is invented, no block number is missing or given
 * out again, it takes commits, and the next start finds the same. Returns how many entries are gone, and what was said.
 */
async function checkDamaged(
  folder: VaultFolder,
  before: string,
  whole: Contents,
): Promise<[lost: number, words: string]> {
  let vault = await openVault(folder.options);
  try {
    const same = vault.incarnation === before;
    const found = await contentsOf(vault);
    const gone = lostOf(whole, found);
    const { damaged, problems } = await vault.stats();
    const words = problems.join('; ');
    assert.ok(gone === 0 || damaged > 0 || problems.length > 0, `${gone} entries are gone, and nothing is named`);
    assert.ok(!same || found.replayFrom <= whole.replayFrom, 'readings that nobody has seen are passed over');
    const position = await vault.journal.append({ source: 'a', readings: [reading('s1', 4)] });
    const [{ number }] = await vault.commit([{ kind: 'block', stream: 's', body: bytes('block 4') }]);
    if (same) assert.ok(position >= 4 && number >= 4, `position ${position} or block ${number} is given out again`);
    const { incarnation } = vault;
    const after = { damaged: (await vault.stats()).damaged, contents: await contentsOf(vault) };
    await vault.close();
    vault = await openVault(folder.options);
    assert.equal(vault.incarnation, incarnation);
    assert.deepEqual({ damaged: (await vault.stats()).damaged, contents: await contentsOf(vault) }, after);
    return [gone, words];
  } finally {
    await vault.close();
  }
}

/** How many entries are gone; throws for one that was never there. */
function lostOf(whole: Contents, found: Contents): number {
  const known = new Set([...whole.readings, ...whole.others, 'cause 0', 'cause 1', 'cause 2']);
  for (const entry of [...found.readings, ...found.others]) assert.ok(known.has(entry), `${entry} is invented`);
  for (const [name, body] of found.blocks)
    assert.ok(body === '' || body === whole.blocks.get(name), `block ${name} is altered`);
  if (found.blocks.size > 0) assert.deepEqual([...found.blocks.keys()], [...whole.blocks.keys()]);
  const entries = [...found.readings, ...found.others];
  const blocks = [...whole.blocks].filter(([name, body]) => found.blocks.get(name) !== body);
  return [...whole.readings, ...whole.others].filter((entry) => !entries.includes(entry)).length + blocks.length;
}

/** Flips a bit in a blob of each kind of row that the databases of a vault have: `database, table, column`. */
function blobColumns(directory: string): [name: string, table: string, column: string][] {
  return vaultFiles(directory)
    .filter((name) => isDatabase(path.join(directory, name)))
    .flatMap((name) => {
      const db = new Database(path.join(directory, name), { readonly: true });
      const columns = db
        .prepare<unknown[], { tab: string; col: string }>(
          `SELECT m.name AS tab, c.name AS col FROM sqlite_schema m, pragma_table_info(m.name) c
           WHERE m.type = 'table' AND c.type = 'BLOB' ORDER BY 1, 2`,
        )
        .all()
        .filter(({ tab, col }) => db.prepare(`SELECT 1 FROM ${tab} WHERE length(${col}) > 20`).get() !== undefined);
      db.close();
      return columns.map(({ tab, col }): [string, string, string] => [name, tab, col]);
    });
}

function flipInRow(file: string, table: string, column: string): void {
  const db = new Database(file);
  const body = db
    .prepare<unknown[], Buffer>(
      `SELECT ${column} FROM ${table} WHERE length(${column}) > 20 ORDER BY 1 LIMIT 1 OFFSET 0`,
    )
    .pluck()
    .get();
  assert.ok(body);
  const damaged = Buffer.from(body);
  damaged[damaged.length - 20] ^= 4;
  db.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${column} = ?`).run(damaged, body);
  db.close();
}

function overwrite(file: string, offset: number): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.alloc(4096, 0xff), 0, Math.max(1, Math.min(4096, statSync(file).size - offset)), offset);
  closeSync(fd);
}

describe('a vault and what may happen to it', () => {
  let folder: VaultFolder;

  beforeEach(() => {
    folder = new VaultFolder();
  });

  afterEach(() => folder.remove());

  let whole: Contents;
  let incarnation: string;

  const filled = async (): Promise<string> => {
    const vault = await openVault(folder.options);
    await fill(vault);
    whole = await contentsOf(vault);
    ({ incarnation } = vault);
    await vault.close();
    return incarnation;
  };

  describe('a wrong key', () => {
    it('is refused, and not one byte changes, even where a crash left work to do', async () => {
      const child = Program.node('appender', 'test/support/vault-child.ts', [
        'append',
        folder.directory,
        folder.key.file,
      ]);
      await child.line(/^acknowledged/);
      await child.kill();
      for (const name of vaultFiles(folder.directory)) utimesSync(folder.file(name), 1, 1);
      const before = fingerprint(folder.directory);
      for (const wrong of [randomBytes(32).toString('hex'), 'a passphrase that is wrong']) {
        writeFileSync(folder.key.file, wrong);
        await assert.rejects(openVault(folder.options), { code: 'wrong-key' });
        await assert.rejects(openLocalVault(folder.options), { code: 'wrong-key' });
      }
      assert.deepEqual(fingerprint(folder.directory), before);
      writeFileSync(folder.key.file, folder.secret);
      const vault = await openVault(folder.options);
      assert.ok((await vault.stats()).readings > 0);
      await vault.close();
    });
  });

  describe('a damaged record', () => {
    it('of any table is set aside or recovered, counted once, and the rest stays readable', async function () {
      this.timeout(60_000);
      await filled();
      const columns = blobColumns(folder.directory);
      assert.ok(columns.length > 4, `${columns.length} kinds of rows`);
      const kept = new Layout(folder.directory, path.join(folder.root, 'inodes'));
      kept.keep();
      const files = filesBelow(folder.directory);
      for (const [name, table, column] of columns) {
        kept.put(files);
        flipInRow(folder.file(name), table, column);
        try {
          const [lost] = await checkDamaged(folder, incarnation, whole);
          // The name of a series is on each of its readings, that of a stream on its blocks; a row is one entry otherwise.
          assert.ok(lost <= 3, `${lost} entries are gone`);
        } catch (error) {
          throw new Error(`${table}.${column} in ${name}: ${String(error)}`, { cause: error });
        }
      }
    });
  });

  describe('a damaged file', () => {
    const treatments: [words: string, treat: (file: string) => void][] = [
      ['filled with garbage', (file) => writeFileSync(file, randomBytes(20_000))],
      ['emptied', (file) => truncateSync(file, 0)],
      ['removed', (file) => rmSync(file)],
      ['cut in half', (file) => truncateSync(file, Math.floor(statSync(file).size / 2))],
      ['with a page of ones in its middle', (file) => overwrite(file, Math.floor(statSync(file).size / 8192) * 4096)],
    ];
    for (const [words, treat] of treatments) {
      it(`${words}, whichever it is: the vault opens, names what is lost, and goes on`, async function () {
        this.timeout(60_000);
        await filled();
        const kept = new Layout(folder.directory, path.join(folder.root, 'inodes'));
        kept.keep();
        const files = filesBelow(folder.directory);
        for (const name of vaultFiles(folder.directory)) {
          kept.put(files);
          treat(folder.file(name));
          try {
            await checkDamaged(folder, incarnation, whole);
          } catch (error) {
            throw new Error(`${name} ${words}: ${String(error)}`, { cause: error });
          }
        }
      });
    }

    it('that the owner’s lock is costs nothing', async () => {
      await filled();
      writeFileSync(folder.file('vault.lock'), randomBytes(9_000));
      assert.deepEqual((await checkDamaged(folder, incarnation, whole))[0], 0);
    });

    it('of all files at once leaves an empty vault under a new incarnation that says so', async () => {
      await filled();
      for (const name of vaultFiles(folder.directory)) writeFileSync(folder.file(name), 'rust');
      const [lost, words] = await checkDamaged(folder, incarnation, whole);
      assert.ok(lost > 10);
      assert.match(words, /vault\.keys/);
    });

    it('of keys is made again from the copy in the database, and only with the right key', async () => {
      const before = await filled();
      writeFileSync(folder.file('vault.keys'), '{"format":1,');
      writeFileSync(folder.key.file, randomBytes(32).toString('hex'));
      const damaged = readFileSync(folder.file('vault.keys'));
      await assert.rejects(openVault(folder.options), { code: 'wrong-key' });
      assert.deepEqual(readFileSync(folder.file('vault.keys')), damaged);
      writeFileSync(folder.key.file, folder.secret);
      const vault = await openVault(folder.options);
      assert.equal(vault.incarnation, before);
      assert.match((await vault.stats()).problems.join('\n'), /vault\.keys/);
      assert.equal((await journalOf(vault)).length, 3);
      await vault.close();
    });

    it('found while it is in use is named, and the vault goes on after the next start', async () => {
      await filled();
      const vault = await openVault(folder.options);
      // A page of the table that the next commit reads, damaged behind the engine's back.
      const child = Program.node('damager', 'test/support/vault-damager.ts', [folder.directory, 'streams']);
      assert.equal(await child.ended(), 0);
      const commit = vault.commit([{ kind: 'block', stream: 's', body: bytes('x') }]);
      const refused = await commit.then(
        () => false,
        (error: unknown) => error instanceof TideError && error.code === 'damaged',
      );
      const { problems } = await vault.stats();
      await vault.close();
      const again = await openVault(folder.options);
      const kept = await contentsOf(again);
      // Taken before the damage was met: it is there as it was handed in, or refused.
      if (!refused) assert.equal(kept.blocks.get('s 4'), 'x');
      kept.blocks.delete('s 4');
      const said = [...problems, ...(await again.stats()).problems];
      assert.ok(said.length > 0 || (!refused && lostOf(whole, kept) === 0), 'nothing is named');
      await again.commit([{ kind: 'document', namespace: 'n', key: 'after', value: 1 }]);
      await again.close();
      const third = await openVault(folder.options);
      assert.equal(third.incarnation, again.incarnation);
      assert.equal(await third.documents.get('n', 'after'), 1);
      await third.close();
    });
  });

  it('of a later version is refused and left as it is', async () => {
    await filled();
    const file = folder.file('vault.keys');
    const header = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...header, format: 99, added: 'later' }));
    const before = fingerprint(folder.directory);
    await assert.rejects(openVault(folder.options), { code: 'newer-format', message: /format 99/ });
    assert.deepEqual(fingerprint(folder.directory), before);
  });
});
