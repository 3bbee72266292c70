import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { openLocalVault, openVault, type Vault } from '@tidegate/nodes/vault';
import { Program } from '../support/process.ts';
import { VaultFolder, journalOf, reading } from '../support/vault.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Name, size, time and hash of every file. */
function fingerprint(directory: string): string[] {
  return readdirSync(directory)
    .toSorted()
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

/** Flips a bit in the sealed body of the rows that match. */
function damageRows(folder: VaultFolder, table: string, where: string): void {
  const db = new Database(folder.file('vault.db'));
  const all = db.prepare<unknown[], Buffer>(`SELECT body FROM ${table} WHERE ${where}`).pluck().all();
  assert.equal(all.length, 1, `rows in ${table} where ${where}`);
  for (const body of all) {
    const damaged = Buffer.from(body);
    damaged[damaged.length - 20] ^= 4;
    db.prepare(`UPDATE ${table} SET body = ? WHERE body = ?`).run(damaged, body);
  }
  db.close();
}

/** A new vault in the place of one that was set aside, with something in it. */
async function afresh(folder: VaultFolder, before: string, problem: RegExp): Promise<Vault> {
  const vault = await openVault(folder.options);
  assert.notEqual(vault.incarnation, before);
  assert.match((await vault.stats()).problems.join('\n'), problem);
  await fill(vault);
  return vault;
}

function asideFiles(folder: VaultFolder): string[] {
  const asides = readdirSync(folder.directory).filter((name) => name.startsWith('damaged-'));
  assert.equal(asides.length, 1);
  return readdirSync(folder.file(asides[0])).toSorted();
}

describe('a vault and what may happen to it', () => {
  let folder: VaultFolder;

  beforeEach(() => {
    folder = new VaultFolder();
  });

  afterEach(() => folder.remove());

  const filled = async (): Promise<string> => {
    const vault = await openVault(folder.options);
    await fill(vault);
    await vault.close();
    return vault.incarnation;
  };

  describe('a wrong key', () => {
    it('is refused, and not one byte changes, even where a crash left a write-ahead log', async () => {
      const child = Program.node('appender', 'test/support/vault-child.ts', [
        'append',
        folder.directory,
        folder.key.file,
      ]);
      await child.line(/^acknowledged/);
      await child.kill();
      assert.ok(existsSync(folder.file('vault.db-wal')));
      for (const name of readdirSync(folder.directory)) utimesSync(folder.file(name), 1, 1);
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
    const cases: [table: string, where: string, check: (vault: Vault) => Promise<void>][] = [
      [
        'journal',
        'first = 2',
        async (vault) => {
          assert.deepEqual(
            (await journalOf(vault)).map(({ position }) => position),
            [1, 3],
          );
          assert.equal(await vault.journal.append({ source: 'a', readings: [reading('s1', 4)] }), 4);
        },
      ],
      [
        'journal',
        'first = 3',
        async (vault) => {
          assert.equal((await journalOf(vault)).length, 2);
          assert.equal(await vault.journal.append({ source: 'a', readings: [reading('s1', 4)] }), 4);
        },
      ],
      [
        'series',
        'number = 3',
        async (vault) => {
          assert.deepEqual(
            (await journalOf(vault)).map(({ series }) => series),
            ['s1', 's2'],
          );
          assert.equal(vault.series.number('s3'), 4);
          await vault.commit([{ kind: 'consumer', consumer: 'c', replayFrom: 2 }]);
        },
      ],
      ['receipts', 'id = 2', async (vault) => assert.deepEqual(await vault.journal.receipts(), [1n, 3n])],
      ['causes', 'true', async (vault) => assert.equal(await vault.journal.cause('a'), 0)],
      [
        'consumers',
        'true',
        async (vault) => {
          assert.equal(await vault.checkpoints.replayFrom(), 1);
          assert.equal((await vault.checkpoints.load('c'))?.series.length, 3);
        },
      ],
      [
        'checkpoints',
        'series = 2',
        async (vault) => {
          const saved = await vault.checkpoints.load('c');
          assert.deepEqual(
            saved?.series.map(({ series }) => series),
            [1, 3],
          );
        },
      ],
      [
        'blocks',
        'number = 2',
        async (vault) => {
          const blocks = await vault.outbox.peek('s', 'oldest', [], 1e6);
          assert.deepEqual(
            blocks.map(({ number, body }) => [number, new TextDecoder().decode(body)]),
            [
              [1, 'block 1'],
              [2, ''],
              [3, 'block 3'],
            ],
          );
        },
      ],
      [
        'alerts',
        'id = 1',
        async (vault) => {
          const alerts = await vault.outbox.alerts(10, new Set());
          assert.deepEqual(
            alerts.map(({ id }) => id),
            ['alert 2', 'alert 3'],
          );
        },
      ],
      [
        'documents',
        'rowid = 2',
        async (vault) => {
          assert.equal(await vault.documents.get('n', 'k2'), undefined);
          assert.deepEqual(await vault.documents.list('n'), [
            { key: 'k1', value: 1 },
            { key: 'k3', value: 3 },
          ]);
        },
      ],
    ];
    for (const [table, where, check] of cases) {
      it(`of ${table} (${where}) is set aside and counted once, and the rest stays readable`, async () => {
        const incarnation = await filled();
        damageRows(folder, table, where);
        let vault = await openVault(folder.options);
        assert.equal(vault.incarnation, incarnation);
        await check(vault);
        await vault.commit([{ kind: 'document', namespace: 'n', key: 'later', value: 1 }]);
        assert.equal((await vault.stats()).damaged, 1);
        await vault.close();
        vault = await openVault(folder.options);
        await journalOf(vault);
        assert.equal((await vault.stats()).damaged, 1);
        await vault.close();
      });
    }

    it('moved to another place does not open there', async () => {
      await filled();
      const db = new Database(folder.file('vault.db'));
      const bodies = db.prepare<unknown[], Buffer>('SELECT body FROM documents ORDER BY rowid').pluck().all();
      db.prepare('UPDATE documents SET body = ? WHERE rowid = 1').run(bodies[1]);
      db.close();
      const vault = await openVault(folder.options);
      assert.deepEqual(
        (await vault.documents.list('n')).map(({ key }) => key),
        ['k2', 'k3'],
      );
      assert.equal((await vault.stats()).damaged, 1);
      await vault.close();
    });
  });

  describe('a damaged file', () => {
    it('with garbage for a database is set aside, and a new one begins', async () => {
      const before = await filled();
      writeFileSync(folder.file('vault.db'), randomBytes(20_000));
      const vault = await afresh(folder, before, /vault\.db is damaged .*SQLITE_NOTADB|not a database/);
      assert.equal((await journalOf(vault)).length, 3);
      await vault.close();
      assert.ok(asideFiles(folder).includes('vault.db'));
    });

    it('with a broken page is set aside, and the documents that can still be read are kept', async () => {
      const before = await filled();
      const file = folder.file('vault.db');
      const fd = openSync(file, 'r+');
      // The root page of the journal, which the engine looks at when it opens.
      const db = new Database(file, { readonly: true });
      const page = db.prepare<unknown[], number>("SELECT rootpage FROM sqlite_schema WHERE name = 'journal'").pluck();
      const root = page.get() ?? 0;
      db.close();
      writeSync(fd, Buffer.alloc(4096, 0xff), 0, 4096, (root - 1) * 4096);
      closeSync(fd);
      const vault = await openVault(folder.options);
      const { problems } = await vault.stats();
      assert.notEqual(vault.incarnation, before);
      assert.match(problems.join('\n'), /vault\.db is damaged.*\n3 documents were carried over/);
      assert.deepEqual(
        (await vault.documents.list('n')).map(({ value }) => value),
        [1, 2, 3],
      );
      assert.equal(vault.journal.head, 1);
      await vault.close();
    });

    it('that is empty is filled anew', async () => {
      const before = await filled();
      truncateSync(folder.file('vault.db'), 0);
      await (await afresh(folder, before, /vault\.db was missing or empty/)).close();
    });

    it('that is gone is missed', async () => {
      const before = await filled();
      rmSync(folder.file('vault.db'));
      await (await afresh(folder, before, /vault\.db was missing or empty/)).close();
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
      assert.match((await vault.stats()).problems.join('\n'), /vault\.keys was made again/);
      assert.equal((await journalOf(vault)).length, 3);
      await vault.close();
      assert.deepEqual(asideFiles(folder), ['vault.keys']);
    });

    it('of keys, with the database damaged as well, goes aside together with it', async () => {
      const before = await filled();
      writeFileSync(folder.file('vault.keys'), 'rust');
      writeFileSync(folder.file('vault.db'), 'rust');
      await (await afresh(folder, before, /neither vault\.keys nor its copy/)).close();
      assert.ok(asideFiles(folder).includes('vault.db') && asideFiles(folder).includes('vault.keys'));
    });

    it('of the owner’s lock is made again', async () => {
      const before = await filled();
      writeFileSync(folder.file('vault.lock'), randomBytes(9_000));
      const vault = await openVault(folder.options);
      assert.equal(vault.incarnation, before);
      await vault.close();
    });

    it('found while it is in use stops the writing, and is set aside at the next start', async () => {
      const before = await filled();
      const vault = await openVault(folder.options);
      // A page of the table that the next commit reads, damaged behind the engine's back.
      const child = Program.node('damager', 'test/support/vault-damager.ts', [folder.file('vault.db'), 'streams']);
      assert.equal(await child.ended(), 0);
      const block = [{ kind: 'block', stream: 's', body: bytes('x') }] as const;
      await assert.rejects(vault.commit(block), { code: 'damaged' });
      await assert.rejects(vault.commit([{ kind: 'consumer', consumer: 'c', replayFrom: 1 }]), { code: 'damaged' });
      assert.match((await vault.stats()).problems.join('\n'), /nothing more is written/);
      await vault.close();
      const again = await openVault(folder.options);
      assert.notEqual(again.incarnation, before);
      assert.match((await again.stats()).problems.join('\n'), /vault\.db is damaged .*malformed/);
      assert.deepEqual(
        (await again.documents.list('n')).map(({ value }) => value),
        [1, 2, 3],
      );
      await again.close();
      const third = await openVault(folder.options);
      assert.equal(third.incarnation, again.incarnation);
      await third.close();
    });
  });

  it('of a later version is refused and left as it is', async () => {
    await filled();
    const db = new Database(folder.file('vault.db'));
    db.pragma('user_version = 99');
    db.close();
    await assert.rejects(openVault(folder.options), { code: 'newer-format', message: /format 99/ });
    assert.equal(
      readdirSync(folder.directory).some((name) => name.startsWith('damaged-')),
      false,
    );
  });
});
