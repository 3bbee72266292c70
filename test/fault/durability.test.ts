import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { gapSchema, openVault, type Vault } from '@tidegate/nodes/vault';
import { KINDS, all, statesOf, valuesOf, type State } from '../contract/durability.ts';
import { ENTRY, readLog } from './campaign/vault/disk-log.ts';
import { Layout, filesBelow } from './campaign/vault/layout.ts';
import { Random } from './campaign/random.ts';
import { RecordedDisk } from './campaign/vault/recorded-disk.ts';
import { eventually } from '../support/eventually.ts';
import { clearRecords, newestRecord } from '../support/journal-records.ts';
import { root } from '../support/process.ts';
import { ERRNO, OPERATION, Shim } from '../support/shim.ts';
import { VaultFolder } from '../support/vault.ts';

/** Power cuts of one recording. */
const CUTS = 12;

/** A process with a vault, which does what it is told and is killed. */
class Committer {
  private readonly child: ChildProcess;
  /** Lines that nobody has waited for yet, and the others. */
  private readonly said: string[] = [];
  private readonly heard: string[] = [];
  private readonly ended: Promise<unknown>;

  constructor(folder: VaultFolder, marks: string, environment: NodeJS.ProcessEnv = {}) {
    const script = path.join(root, 'test/support/durability-child.ts');
    const args = ['--conditions=source', script, folder.directory, folder.key.file, marks];
    this.child = spawn(process.execPath, args, {
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.ended = once(this.child, 'exit');
    for (const stream of [this.child.stdout!, this.child.stderr!])
      createInterface({ input: stream }).on('line', (line) => this.said.push(line));
  }

  async open(): Promise<void> {
    await this.hears('done open');
  }

  async tell(command: string): Promise<void> {
    this.child.stdin!.write(`${command}\n`);
    await this.hears(`done ${command}`);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  private async hears(line: string): Promise<void> {
    for (const until = Date.now() + 60_000; !this.said.includes(line);) {
      const output = [...this.heard, ...this.said].join('\n');
      assert.ok(this.child.exitCode === null && this.child.signalCode === null, `the process ended:\n${output}`);
      assert.ok(Date.now() < until, `it never said "${line}":\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.heard.push(...this.said.splice(0));
  }
}

interface Mark {
  durable: boolean;
  tag: string;
  /** Number of its journal record, or the code of the error. */
  said: string;
  kind: string;
}

const marksIn = (text: string): Mark[] =>
  [...text.matchAll(/^(durable|refused) (\S+) (\S+) (.+)\n/gm)].map(([, word, tag, said, kind]) => ({
    durable: word === 'durable',
    tag,
    said,
    kind,
  }));

function flip(file: string, offset: number): void {
  const fd = openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, offset);
  byte[0] ^= 0x10;
  writeSync(fd, byte, 0, 1, offset);
  closeSync(fd);
}

/** A bit in each of `step` bytes. */
function flipAll(file: string, from: number, step: number): void {
  for (let at = from; at < statSync(file).size; at += step) flip(file, at);
}

const problemsOf = async (vault: Vault): Promise<string> => (await vault.stats()).problems.join('; ');

describe('what is durable, kind by kind', function () {
  this.timeout(180_000);
  let folder: VaultFolder;
  let marks: string;

  beforeEach(() => {
    folder = new VaultFolder();
    marks = path.join(folder.root, 'marks');
    writeFileSync(marks, '');
  });

  afterEach(() => folder.remove());

  async function opened<T>(use: (vault: Vault) => Promise<T>): Promise<T> {
    const vault = await openVault(folder.options);
    try {
      return await use(vault);
    } finally {
      await vault.close();
    }
  }

  /** Lets a process commit everything under the tag `a`, do more, and be killed. */
  async function committed(...more: string[]): Promise<Mark[]> {
    const process = new Committer(folder, marks);
    try {
      await process.open();
      // With the first things of a month its key is made, and the catalogue is written at once.
      for (const command of ['write 0', 'fold', 'write a', ...more]) await process.tell(command);
    } finally {
      await process.kill();
    }
    const found = marksIn(readFileSync(marks, 'utf8')).filter(({ tag }) => tag === 'a');
    assert.deepEqual(
      found.filter(({ durable }) => durable).map(({ kind }) => kind),
      Object.keys(KINDS),
    );
    return found;
  }

  /** Nothing is missing, nothing is called damaged, and the writer is who it was. */
  async function checkWhole(): Promise<void> {
    await opened(async (vault) => {
      assert.deepEqual(await statesOf(vault, 'a'), all('there'));
      const { damaged, problems } = await vault.stats();
      assert.deepEqual({ damaged, problems }, { damaged: 0, problems: [] });
    });
  }

  for (const [where, commands] of [
    ['in the journal alone', []],
    ['folded', ['fold']],
    ['folded and closed', ['fold', 'close']],
    ['closed', ['close']],
  ] as const)
    it(`SIGKILL costs nothing that was acknowledged, ${where}`, async () => {
      await committed(...commands);
      await checkWhole();
    });

  it('a power cut costs nothing that was acknowledged before it', async () => {
    const log = path.join(folder.root, 'log');
    await opened(() => Promise.resolve());
    const layout = new Layout(folder.directory, path.join(folder.root, 'inodes'));
    const before = filesBelow(folder.directory);
    const inode = statSync(folder.directory, { bigint: true }).ino;
    const shim = new Shim({ directory: folder.directory, log, marks });
    const process = new Committer(folder, marks, shim.environment);
    try {
      await process.open();
      for (const command of ['write a', 'fold', 'write b']) await process.tell(command);
    } finally {
      await process.kill();
      shim.close();
    }
    layout.keep();
    const entries = readLog(log);
    const disk = new RecordedDisk(folder.directory, before, inode, 'durability');
    const places = entries.flatMap(({ entry }, i) => (entry === ENTRY.mark ? [i + 1] : []));
    assert.ok(places.length >= 2 * Object.keys(KINDS).length, `${places.length} marks`);
    const random = new Random(`durability ${Date.now()}`);
    const chosen = new Set(Array.from({ length: CUTS }, () => random.pick(places)));
    let taken = 0;
    let said = '';
    for (const place of [...chosen].sort((a, b) => a - b)) {
      for (; taken < place; taken++) {
        disk.take(entries[taken]);
        if (entries[taken].entry === ENTRY.mark) said += Buffer.from(entries[taken].data).toString();
      }
      layout.put(disk.cut(random));
      await opened(async (vault) => {
        for (const { tag, kind } of marksIn(said))
          assert.equal(await KINDS[kind].state(vault, tag), 'there', `${kind} ${tag}, cut at ${place}`);
        const { damaged, problems } = await vault.stats();
        assert.deepEqual({ damaged, problems }, { damaged: 0, problems: [] });
      });
    }
  });

  it('a full disk refuses each of them whole, and keeps what was there', async () => {
    const shim = new Shim({ directory: folder.directory });
    const process = new Committer(folder, marks, shim.environment);
    try {
      await process.open();
      await process.tell('write a');
      shim.fail(OPERATION.write | OPERATION.create | OPERATION.resize, ERRNO.ENOSPC);
      await process.tell('write b');
    } finally {
      await process.kill();
      shim.close();
    }
    const refused = marksIn(readFileSync(marks, 'utf8')).filter(({ tag }) => tag === 'b');
    assert.deepEqual(
      refused.map(({ kind, said, durable }) => [kind, durable, said]),
      Object.keys(KINDS).map((kind) => [kind, false, 'disk-full']),
    );
    await opened(async (vault) => {
      assert.deepEqual(await statesOf(vault, 'a'), all('there'));
      const later = await statesOf(vault, 'b');
      const absent = Object.keys(KINDS).map((kind): [string, State] => [
        kind,
        // Nothing was sent, so nothing is left to acknowledge.
        kind.startsWith('an acknowledged') ? 'there' : KINDS[kind].damaged,
      ]);
      assert.deepEqual(later, Object.fromEntries(absent));
    });
  });

  /** Damages the box of each kind in turn, as the files were when the process was killed, and tells what is left then. */
  async function eachDamaged(
    found: readonly Mark[],
    check: (vault: Vault, kind: string) => Promise<void>,
  ): Promise<void> {
    const layout = new Layout(folder.directory, path.join(folder.root, 'inodes'));
    layout.keep();
    const files = filesBelow(folder.directory);
    const records = new Map(clearRecords(folder.directory).map((record) => [record.number, record]));
    const newest = newestRecord(folder.directory);
    for (const { kind, said } of found) {
      layout.put(files);
      const record = records.get(Number(said));
      assert.ok(record !== undefined && record.number < newest, `record ${said} of ${kind}`);
      const { at, length } = record.boxes[KINDS[kind].box];
      flip(record.file, at + Math.floor(length / 2));
      await opened((vault) => check(vault, kind));
    }
  }

  it('a damaged box of the journal costs what is in it, and is named, while nothing else has it', async () => {
    const found = await committed();
    await eachDamaged(found, async (vault, kind) => {
      const keepsWriter = kind === 'a reading';
      const expected = Object.entries(KINDS).map(([name, { damaged, orphaned }]): [string, State] => {
        if (name === kind) return [name, damaged];
        return [name, keepsWriter ? 'there' : orphaned];
      });
      assert.deepEqual(await statesOf(vault, 'a'), Object.fromEntries(expected), kind);
      const words = await problemsOf(vault);
      const { said } = found.find((one) => one.kind === kind)!;
      assert.match(words, new RegExp(`journal record ${said}: altered`), kind);
      assert.equal(/new incarnation/.test(words), !keepsWriter, `${kind}: ${words}`);
    });
  });

  it('a damaged box of the journal costs readings and receipts alone once the catalogue is written', async () => {
    const found = await committed('close');
    await eachDamaged(found, async (vault, kind) => {
      const isLost = kind === 'a reading' || kind === 'a receipt';
      const expected = { ...all('there'), ...(isLost && { [kind]: KINDS[kind].damaged }) };
      assert.deepEqual(await statesOf(vault, 'a'), expected, kind);
      const { said } = found.find((one) => one.kind === kind)!;
      assert.match(await problemsOf(vault), new RegExp(`journal record ${said}: altered`), kind);
    });
  });

  it('a damaged box of the journal costs nothing once it is folded', async () => {
    await eachDamaged(await committed('fold'), async (vault, kind) => {
      assert.deepEqual(await statesOf(vault, 'a'), all('there'), kind);
      assert.equal(await problemsOf(vault), '', kind);
    });
  });

  it('a damaged page with several boxes never leads to a number that was given out before', async () => {
    const found = await committed();
    const { said } = found.find(({ kind }) => kind === 'the name of a series')!;
    const record = clearRecords(folder.directory).find(({ number }) => number === Number(said))!;
    for (const { at, length } of record.boxes) flip(record.file, at + Math.floor(length / 2));
    await opened(async (vault) => {
      assert.equal(await KINDS['the name of a series'].state(vault, 'a'), 'gone');
      assert.match(await problemsOf(vault), /new incarnation/);
    });
  });

  for (const { bits, ends, survives, isNamed } of [
    { bits: 1, ends: 'killed', survives: true, isNamed: true },
    { bits: 2, ends: 'killed', survives: false, isNamed: false },
    { bits: 2, ends: 'closed', survives: true, isNamed: true },
  ])
    it(`the newest record with ${bits} flipped bit${bits === 1 ? '' : 's'} ${survives ? 'is kept' : 'passes for one that was never finished'} when the vault was ${ends}`, async () => {
      await committed(...(ends === 'closed' ? ['close'] : []));
      const newest = clearRecords(folder.directory).at(-1)!;
      const { at, length } = newest.boxes[0];
      for (let i = 1; i <= bits; i++) flip(newest.file, at + Math.floor((i * length) / 3));
      await opened(async (vault) => {
        assert.deepEqual(await statesOf(vault, 'a'), all('there'));
        assert.equal(await vault.documents.get('end', 'a'), survives ? 1 : undefined);
        assert.equal((await problemsOf(vault)) !== '', isNamed);
      });
    });

  it('a damaged chunk of a segment costs the readings in it', async () => {
    await committed('fold', 'close');
    const number = await opened((vault) => Promise.resolve(vault.series.number('plant/a')));
    const segment = filesIn('segments').at(-1)!;
    flip(segment, chunkOf(segment, number) + 100);
    await opened(async (vault) => {
      assert.deepEqual(await statesOf(vault, 'a'), { ...all('there'), 'a reading': 'gone' });
      assert.deepEqual(await valuesOf(vault, 'plant/0'), [0, 1, 2, 3]);
      const found = [];
      for await (const { kind, place, text } of vault.verify()) found.push(`${kind} ${place}: ${text}`);
      assert.equal(found.length, 1);
      assert.match(found[0], new RegExp(`^altered segment \\d+, series ${number}: 4 readings are lost`));
      // Whoever met it declares it.
      await eventually('4 readings of the series are declared as damaged', async () => {
        const gaps = (await vault.documents.list('gap')).map(({ value }) => gapSchema.parse(value));
        return gaps.some(
          ({ cause, count, series }) => cause === 'damaged' && count === 4 && String(series) === String(number),
        );
      });
    });
  });

  it('a damaged file of waiting blocks sends those blocks out empty', async () => {
    await committed('fold', 'close');
    for (const file of filesIn('blocks')) flipAll(file, 60, 20);
    await opened(async (vault) => {
      const [sent] = await vault.outbox.peek('operations/a', 'oldest', [], 1e6);
      assert.deepEqual([sent.number, sent.body.length], [1, 0]);
      assert.deepEqual(await statesOf(vault, 'a'), { ...all('there'), 'a block of summaries': 'gone' });
      assert.ok((await vault.stats()).damaged > 0);
    });
  });

  describe('a damaged catalogue', () => {
    for (const [where, commands] of [
      ['after a kill', []],
      ['after a fold', ['fold']],
      ['after a close', ['fold', 'close']],
    ] as const)
      it(`costs nothing ${where}: it is made again`, async () => {
        await committed(...commands);
        flipAll(folder.file('catalogue.db'), 0, 512);
        await opened(async (vault) => {
          assert.deepEqual(await statesOf(vault, 'a'), all('there'));
          const words = await problemsOf(vault);
          assert.match(words, /catalogue\.db is damaged .* and was made again/);
          assert.doesNotMatch(words, /new incarnation/);
        });
      });

    it('and a damaged snapshot cost rows: named, and the vault goes on as another writer', async () => {
      await committed('fold', 'close');
      flipAll(folder.file('catalogue.db'), 0, 512);
      const [snapshot] = filesIn('state');
      flip(snapshot, statSync(snapshot).size >> 1);
      await opened(async (vault) => {
        // Readings lie in segments, and are found as long as the names of their series are.
        assert.equal((await vault.stats()).readings, 2 * 5);
        assert.match(await problemsOf(vault), /snapshot \d+ of the catalogue is damaged: 1 of its boxes are lost/);
        assert.match(await problemsOf(vault), /new incarnation/);
      });
    });
  });

  const filesIn = (name: string): string[] =>
    readdirSync(folder.file(name))
      .sort()
      .map((file) => path.join(folder.file(name), file));
});

/** Where the chunk of a series begins in a segment. */
function chunkOf(segment: string, series: number): number {
  const bytes = readFileSync(segment);
  for (let at = bytes.indexOf('TGSC'); at >= 0; at = bytes.indexOf('TGSC', at + 1))
    if (bytes.readUInt32LE(at + 12) === series) return at;
  throw new Error(`${segment} has no chunk of series ${series}`);
}
