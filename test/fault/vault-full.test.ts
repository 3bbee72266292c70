import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openVault, type Vault } from '@tidegate/nodes/vault';
import { eventually } from '../support/eventually.ts';
import { Program } from '../support/process.ts';
import { bytesBelow, countOf, gapsOf, numbersIn } from '../support/room.ts';
import { ERRNO, OPERATION, Shim } from '../support/shim.ts';
import { VaultFolder } from '../support/vault.ts';

const MIB = 1 << 20;
const QUOTA = 16 * MIB;
/** One group of commits, and the catalogue's log while a fold copies it. */
const TOLERANCE = 2 * MIB;
const ROUNDS = Number(process.env['TIDEGATE_KILL_ROUNDS'] ?? 6);

/** What a child said, line by line. */
class Child {
  readonly program: Program;
  private text = '';

  constructor(
    folder: { directory: string; key: { file: string } },
    quota: number,
    ballast: number,
    first: number,
    env: NodeJS.ProcessEnv = {},
  ) {
    this.program = Program.node(
      'filler',
      'test/support/full-child.ts',
      [folder.directory, folder.key.file, String(quota), String(ballast), String(first)],
      { env },
    );
    this.program.child.stdout!.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
  }

  get acknowledged(): number[] {
    return [...this.text.matchAll(/^acknowledged (\d+) (\d+)\n/gm)].flatMap(([, from, count]) =>
      Array.from({ length: Number(count) }, (_, i) => Number(from) + i),
    );
  }

  get refusals(): string[] {
    return [...this.text.matchAll(/^refused (\S+)\n/gm)].map(([, code]) => code);
  }

  /** Problems of the newest look at the stats. */
  get problems(): number {
    return Number([...this.text.matchAll(/^read (\d+)/gm)].at(-1)?.[1] ?? -1);
  }

  get reads(): number {
    return [...this.text.matchAll(/^read /gm)].length;
  }

  get living(): boolean {
    return this.program.child.exitCode === null;
  }
}

/** Every reading that was acknowledged is found or named by a gap, and the newest are found. Positions count unknown ones. */
async function reconcile(vault: Vault, acknowledged: ReadonlySet<number>): Promise<void> {
  await vault.fold();
  const found = await numbersIn(vault);
  const gaps = await gapsOf(vault);
  const taken = vault.journal.head - 1;
  // What was written when the process was killed may be there although nobody was told.
  assert.equal(found.size + countOf(gaps, ['quota']), taken);
  assert.ok(taken >= acknowledged.size, `${taken} readings of ${acknowledged.size}`);
  const missing = [...acknowledged].filter((number) => !found.has(number)).length;
  assert.ok(missing <= countOf(gaps, ['quota']), `${missing} are missing, ${countOf(gaps, ['quota'])} are declared`);
  const oldest = Math.min(...found);
  for (const number of acknowledged) if (number >= oldest) assert.ok(found.has(number), `reading ${number}`);
  const { problems, damaged } = await vault.stats();
  assert.deepEqual({ problems, damaged }, { problems: [], damaged: 0 });
}

/** Takes what is left of a file system, while others write to it. */
function fill(directory: string, name: string): void {
  const { bavail, bsize } = statfsSync(directory);
  try {
    writeFileSync(name, Buffer.alloc(bavail * bsize));
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error && error.code === 'ENOSPC', String(error));
  }
}

describe('a vault that is full', () => {
  let folder: VaultFolder;

  beforeEach(() => {
    folder = new VaultFolder();
  });

  afterEach(() => folder.remove());

  it('stays below its quota and knows what it gave up, killed again and again while it does', async function () {
    this.timeout(60_000 + ROUNDS * 15_000);
    const acknowledged = new Set<number>();
    for (let round = 0; round < ROUNDS; round++) {
      const child = new Child(folder, QUOTA, MIB, round * 1_000_000);
      const before = round === 0 ? 60_000 : 4_000;
      await eventually('it has given way', () => child.acknowledged.length >= before);
      await sleep(Math.random() * 400);
      await child.program.kill();
      assert.ok(bytesBelow(folder.directory) <= QUOTA + TOLERANCE);
      for (const number of child.acknowledged) acknowledged.add(number);
      assert.deepEqual(
        child.refusals.filter((code) => code !== 'disk-full'),
        [],
      );
      const vault = await openVault({ ...folder.options, budget: { quotaBytes: QUOTA, ballastBytes: MIB } });
      try {
        await reconcile(vault, acknowledged);
        assert.ok(countOf(await gapsOf(vault), ['quota']) > 0);
      } finally {
        await vault.close();
      }
    }
  });

  it('removes at the next start what it gave up and could not remove', async function () {
    this.timeout(90_000);
    const shim = new Shim({ directory: folder.directory });
    const child = new Child(folder, QUOTA, 0, 0, shim.environment);
    await child.program.line(/^acknowledged/);
    // From now on nothing goes from the disk.
    shim.fail(OPERATION.remove, ERRNO.EIO);
    await eventually('it has given way', () => shim.get('failed') > 0);
    await sleep(300);
    await child.program.kill();
    shim.close();
    const vault = await openVault({ ...folder.options, budget: { quotaBytes: QUOTA, ballastBytes: 0 } });
    try {
      await reconcile(vault, new Set(child.acknowledged));
    } finally {
      await vault.close();
    }
  });

  it('lives on a full disk, gives way, and goes on by itself', async function () {
    this.timeout(120_000);
    mkdirSync(folder.directory, { mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', folder.directory]);
    try {
      const acknowledged = new Set<number>();
      const options = { directory: path.join(folder.directory, 'store'), key: folder.key };
      // The quota is far away: it is the disk that is full.
      const child = new Child(options, 256 * MIB, MIB, 0);
      await eventually('it has filled the disk and gone on', () => child.acknowledged.length > 120_000, 60_000);
      // Somebody else takes all that is left.
      const other = path.join(folder.directory, 'other');
      const reads = child.reads;
      fill(folder.directory, other);
      await sleep(3_000);
      assert.ok(child.living, child.program.output());
      assert.ok(child.reads > reads + 3, 'it answers readers');
      rmSync(other);
      const before = child.acknowledged.length;
      await eventually('it goes on', () => child.acknowledged.length > before + 2_000);
      await eventually('nothing is wrong any more', () => child.problems === 0);
      assert.deepEqual(
        child.refusals.filter((code) => code !== 'disk-full'),
        [],
      );
      await child.program.kill();
      for (const number of child.acknowledged) acknowledged.add(number);
      const vault = await openVault({ ...options, budget: { quotaBytes: 256 * MIB, ballastBytes: MIB } });
      try {
        await reconcile(vault, acknowledged);
      } finally {
        await vault.close();
      }
    } finally {
      execFileSync('umount', ['-l', folder.directory]);
    }
  });
});
