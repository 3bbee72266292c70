import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { openLocalVault, openVault, type Vault } from '@tidegate/nodes/vault';
import { encodeCbor } from '../../../nodes/src/vault/cbor.ts';
import { closeSession, openSession, type Session } from '../../../nodes/src/vault/engine/sqlite-session.ts';
import { statsOf } from '../../../nodes/src/vault/engine/sqlite-stats.ts';
import type { JournalLog } from '../../../nodes/src/vault/journal/journal-log.ts';
import { TideError } from '../../../nodes/src/node/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { root } from '../../support/process.ts';
import { VaultFolder, reading } from '../../support/vault.ts';

const MANY = 40;
const RETRY_MS = 10_000;
/** A failure that came just after the last request for a fold waits its time. */
const WITH_RETRY_MS = 4 * RETRY_MS;

const troubles = (problems: readonly string[] | undefined): string[] =>
  (problems ?? []).filter((text) => text.startsWith('not folded: '));

for (const [where, open] of [
  ['on the thread of its caller', openLocalVault],
  ['in a thread of its own', openVault],
] as const) {
  describe(`work in the background ${where}`, () => {
    let folder: VaultFolder;
    let vault: Vault;

    beforeEach(async () => {
      folder = new VaultFolder();
      vault = await open(folder.options);
      await vault.journal.append({ source: 'door', readings: [reading('a', 1)] });
    });

    afterEach(async () => {
      await vault.close();
      folder.remove();
    });

    /** Fails three times: a list that grew with each of them would have grown. */
    async function foldInVain(says: RegExp): Promise<Promise<void>[]> {
      const folds: Promise<void>[] = [];
      for (let i = 0; i < 3; i++) {
        folds.push(vault.fold());
        await eventually(
          `a problem that says ${says}`,
          async () => troubles((await vault.stats()).problems).length > 0,
        );
        const found = troubles((await vault.stats()).problems);
        assert.equal(found.length, 1, found.join('\n'));
        assert.match(found[0], says);
      }
      return folds;
    }

    async function foldsAgain(folds: readonly Promise<void>[]): Promise<void> {
      await Promise.all([...folds, vault.fold()]);
      await eventually('no problem is left', async () => troubles((await vault.stats()).problems).length === 0);
      assert.equal((await vault.stats()).segments, 1);
    }

    it('says that it fails, once, and no longer when it goes well', async () => {
      writeFileSync(folder.file('segments'), 'in the way');
      const folds = await foldInVain(/segments/);
      rmSync(folder.file('segments'));
      await foldsAgain(folds);
    }).timeout(WITH_RETRY_MS);

    it('says so, too, when what is to be done after the failure fails as well', async () => {
      await vault.fold();
      const other = new Database(folder.file('catalogue.db'));
      // The vault's transaction is open again once it has something to write, so this one has to be faster.
      await eventually('the catalogue is free', () => other.exec('BEGIN IMMEDIATE').inTransaction);
      let folds: Promise<void>[];
      try {
        folds = await foldInVain(/locked.*; then /);
      } finally {
        other.close();
      }
      await foldsAgain(folds);
    }).timeout(WITH_RETRY_MS);
  });
}

/** A journal of which the next `times` reads fail, for any other reason than a bad block. */
function failReads(log: JournalLog, times: number): void {
  const read = log.read.bind(log);
  let left = times;
  log.read = (number) => {
    if (left-- > 0) throw new TideError('io', 'too many open files');
    return read(number);
  };
}

describe('a vault whose journal cannot be read for a while', () => {
  let folder: VaultFolder;
  let now: number;
  let session: Session;
  const clock = { now: () => Date.now(), monotonic: () => now };

  beforeEach(async () => {
    now = 1_000;
    folder = new VaultFolder();
    const vault = await openLocalVault(folder.options);
    for (let i = 0; i < MANY; i++) {
      await vault.journal.append({ source: 'door', readings: [reading('a', i)] });
      await vault.commit([{ kind: 'document', namespace: 'state', key: String(i), value: i }]);
    }
    await vault.close();
    session = openSession(folder.options, clock);
  });

  afterEach(() => folder.remove());

  const problems = (): readonly string[] => statsOf(session.parts, session.maintenance, session.budget).problems;

  it('says that readings cannot be read back after a start, and reads them back when they can', () => {
    const { parts, maintenance } = session;
    try {
      failReads(parts.log, 3);
      for (let i = 0; i < 3; i++) {
        maintenance.step();
        assert.deepEqual(problems(), ['not folded: too many open files']);
        assert.equal(parts.catchUp.done, false);
        now += RETRY_MS + 1;
      }
      for (let i = 0; i < 10 * MANY && problems().length > 0; i++) maintenance.step();
      assert.deepEqual(problems(), []);
      assert.equal(parts.catchUp.done, true);
      assert.equal(parts.readings.open.readings, MANY);
      assert.deepEqual([parts.catalogue.damage.count, parts.findings.lost.length], [0, 0]);
    } finally {
      closeSession(session);
    }
  });

  it('writes nothing more where what SQLite gave up cannot be made again, and is whole at the next start', async () => {
    const { parts, commits } = session;
    const value = encodeCbor('later');
    try {
      parts.commit([{ kind: 'document', namespace: 'state', key: 'later', value }]);
      // As SQLite does by itself when its commit meets a full disk.
      parts.catalogue.db.exec('ROLLBACK');
      failReads(parts.log, 1);
      parts.undo.restore();
      assert.match(problems().join('\n'), /^too many open files; nothing more is written[^\n]*$/);
      const change = { kind: 'document' as const, namespace: 'state', key: 'more', value };
      assert.throws(() => commits.write({ series: [], items: [{ kind: 'commit', changes: [change] }] }), {
        code: 'damaged',
      });
    } finally {
      closeSession(session);
    }
    const vault = await openLocalVault(folder.options);
    try {
      assert.equal(await vault.documents.get('state', 'later'), 'later');
      assert.equal((await vault.documents.list('state')).length, MANY + 1);
      assert.equal(vault.journal.head, MANY + 1);
    } finally {
      await vault.close();
    }
  });
});

describe('a vault for which there are no descriptors left', () => {
  let folder: VaultFolder;

  beforeEach(async () => {
    folder = new VaultFolder();
    // More files than are kept open.
    const vault = await openLocalVault({ ...folder.options, sizes: { journalFile: 32_768 } });
    for (let i = 0; i < 5 * MANY; i++) await vault.journal.append({ source: 'door', readings: [reading('a', i)] });
    await vault.close();
  });

  afterEach(() => folder.remove());

  it('opens not at all or says that it cannot read back, and has lost nothing when there are some', function () {
    if (process.platform === 'win32') this.skip();
    this.timeout(60_000);
    const child = ['--conditions=source', 'test/support/descriptors-child.ts', folder.directory, folder.key.file];
    const shell = ['-c', 'ulimit -n 90; exec "$@"', 'sh', process.execPath, ...child];
    const { trouble, ...found } = JSON.parse(execFileSync('sh', shell, { cwd: root, encoding: 'utf8' })) as {
      trouble: string;
    };
    assert.match(trouble, /cannot be opened: EMFILE/);
    assert.deepEqual(found, {
      opening: ['io', 'no-key', 'opened'],
      doneWithout: false,
      readings: 5 * MANY,
      damaged: 0,
      lost: 0,
      findings: [],
    });
  });
});
