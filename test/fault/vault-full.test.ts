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

/** A disk of a few megabytes: a tmpfs where one may be mounted, else the shim's count of bytes. */
class SmallDisk {
  readonly vault: string;
  private readonly mounted: string | undefined;
  private readonly shim: Shim | undefined;
  private readonly bytes: number;

  constructor({ directory }: VaultFolder, bytes: number) {
    this.bytes = bytes;
    this.vault = path.join(directory, 'store');
    mkdirSync(directory, { mode: 0o700 });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', directory], { stdio: 'ignore' });
      this.mounted = directory;
    } catch {
      // Not allowed to.
      this.shim = new Shim({ directory });
      this.shim.set('budget', bytes);
    }
  }

  get environment(): NodeJS.ProcessEnv {
    return this.shim?.environment ?? {};
  }

  /** Somebody else takes all that is left. */
  takeAll(): void {
    this.shim?.set('budget', this.shim.get('used'));
    if (this.mounted === undefined) return;
    const { bavail, bsize } = statfsSync(this.mounted);
    try {
      writeFileSync(path.join(this.mounted, 'other'), Buffer.alloc(bavail * bsize));
    } catch (error) {
      // The vault writes meanwhile.
      assert.ok(error instanceof Error && 'code' in error && error.code === 'ENOSPC', String(error));
    }
  }

  giveBack(): void {
    this.shim?.set('budget', this.bytes);
    if (this.mounted !== undefined) rmSync(path.join(this.mounted, 'other'));
  }

  remove(): void {
    if (this.mounted !== undefined) execFileSync('umount', ['-l', this.mounted]);
    this.shim?.close();
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
    const disk = new SmallDisk(folder, 24 * MIB);
    const options = { directory: disk.vault, key: folder.key };
    try {
      // The quota is far away: it is the disk that is full.
      const child = new Child(options, 256 * MIB, MIB, 0, disk.environment);
      await eventually('it has filled the disk and gone on', () => child.acknowledged.length > 60_000, 60_000);
      const reads = child.reads;
      disk.takeAll();
      await sleep(3_000);
      assert.ok(child.living, child.program.output());
      assert.ok(child.reads > reads + 3, 'it answers readers');
      disk.giveBack();
      const before = child.acknowledged.length;
      await eventually('it goes on', () => child.acknowledged.length > before + 2_000);
      await eventually('nothing is wrong any more', () => child.problems === 0);
      assert.deepEqual(
        child.refusals.filter((code) => code !== 'disk-full'),
        [],
      );
      await child.program.kill();
      const vault = await openVault({ ...options, budget: { quotaBytes: 256 * MIB, ballastBytes: MIB } });
      try {
        await reconcile(vault, new Set(child.acknowledged));
      } finally {
        await vault.close();
      }
    } finally {
      disk.remove();
    }
  });

  it('rejects what finds no room anywhere, keeps all that was acknowledged, and goes on', async function () {
    this.timeout(90_000);
    const shim = new Shim({ directory: folder.directory });
    const child = new Child(folder, 256 * MIB, MIB, 0, shim.environment);
    try {
      await eventually('it has folded', () => child.acknowledged.length > 20_000);
      shim.fail(OPERATION.write | OPERATION.create | OPERATION.resize, ERRNO.ENOSPC);
      await eventually('it refuses', () => child.refusals.length > 3);
      const [reads, failed] = [child.reads, shim.get('failed')];
      await sleep(2_000);
      assert.ok(child.reads > reads + 10, 'it answers readers');
      assert.equal(child.problems, 1);
      // A commit each 50 ms, and what is tried in the background.
      assert.ok(shim.get('failed') - failed < 500, `${shim.get('failed') - failed} tries in two seconds`);
      shim.succeed();
      const before = child.acknowledged.length;
      await eventually('it goes on', () => child.acknowledged.length > before + 2_000);
      await eventually('nothing is wrong any more', () => child.problems === 0);
      await child.program.kill();
    } finally {
      shim.close();
    }
    assert.deepEqual([...new Set(child.refusals)], ['disk-full']);
    const vault = await openVault({ ...folder.options, budget: { quotaBytes: 256 * MIB, ballastBytes: MIB } });
    try {
      await reconcile(vault, new Set(child.acknowledged));
    } finally {
      await vault.close();
    }
  });
});
