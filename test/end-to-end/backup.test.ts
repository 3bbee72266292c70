import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  type AgeKey,
  ageKey,
  cli,
  fillVault,
  openGatewayVault,
  plainReadings,
  readingsOf,
  startCli,
} from '../support/backup.ts';
import { temporaryDirectory } from '../support/gateway.ts';
import { eventually } from '../support/eventually.ts';
import { Program } from '../support/process.ts';
import { needTool } from '../support/tools.ts';

async function done(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, output } = await cli(args, env);
  assert.equal(code, 0, output);
  return output;
}

async function refused(args: readonly string[], reason: RegExp): Promise<void> {
  const { code, output } = await cli(args);
  assert.notEqual(code, 0, output);
  assert.match(output, reason);
  assert.doesNotMatch(output, /at .*\.ts:\d+/, 'a stack is no message');
}

/** Of the backup that a gateway's vault was restored from. */
async function digestOf(directory: string): Promise<string> {
  const vault = await openGatewayVault(directory);
  try {
    const state = await vault.documents.get('restore', 'state');
    assert.ok(typeof state === 'object' && state !== null && 'archive' in state && typeof state.archive === 'string');
    return state.archive;
  } finally {
    await vault.close();
  }
}

/** The whole way with real processes: the command line, the stock age and tar, a running gateway, kills. */
describe('backup', function () {
  this.timeout(120_000);
  let home: { path: string; remove: () => void };
  let age: string;
  let key: AgeKey;
  let gateway: string;
  const at = (name: string): string => path.join(home.path, name);

  before(async function () {
    age = needTool(this, 'age');
    home = temporaryDirectory('backup');
    key = ageKey(home.path, 'key');
    gateway = at('gateway');
    await done(['init', gateway, '--name', 'lone', '--yes']);
    const yaml = path.join(gateway, 'gateway.yaml');
    writeFileSync(yaml, readFileSync(yaml, 'utf8').replace('port: 1883', 'port: 0').replace('port: 1880', 'port: 0'));
    const vault = await openGatewayVault(gateway);
    await fillVault(vault);
    await vault.close();
  });

  after(() => home?.remove());

  async function assertSame(directory: string): Promise<void> {
    const [before, after] = [await openGatewayVault(gateway), await openGatewayVault(directory)];
    try {
      assert.deepEqual(await readingsOf(after, before.journal.head), await readingsOf(before));
      assert.equal(after.journal.head, before.journal.head);
      assert.notEqual(after.incarnation, before.incarnation);
    } finally {
      await before.close();
      await after.close();
    }
  }

  it('opens with the stock tools, and a person can read it', async () => {
    const output = await done(['export', gateway, '--out', at('a.age'), '--recipient', key.recipient]);
    assert.match(output, /Wrote .*a\.age: 5,009 readings/);
    assert.equal(statSync(at('a.age')).mode & 0o777, 0o600);
    const tar = execFileSync(age, ['-d', '-i', key.file, at('a.age')]);
    const names = execFileSync('tar', ['-t'], { input: tar, encoding: 'utf8' }).trim().split('\n');
    assert.equal(names[0], 'about.json');
    assert.deepEqual(names.slice(-2), ['manifest.json', 'manifest.sig']);
    const part = execFileSync('tar', ['-xO', 'readings/000001.csv.gz'], { input: tar });
    const lines = gunzipSync(part).toString().split('\n');
    assert.equal(lines[0], 'series,time,value,quality,unit,type,clock,stale,anomaly');
    assert.ok(lines.includes('site/line0/temperature,2026-05-01T00:00:00.000Z,20,good,°C,number,device,,'));
    for (const text of ['temperature', 'AGE-SECRET', 'operations'])
      assert.ok(!readFileSync(at('a.age')).includes(text), `${text} can be read in the file`);
  });

  it('comes back into a new directory, which then runs', async () => {
    const output = await done(['import', at('a.age'), '--into', at('new'), '--identity', key.file]);
    assert.match(output, /Restored gateway lone/);
    assert.match(output, /old blocks +2 .* 1 series had open windows/);
    await assertSame(at('new'));
    const program = startCli(['run', at('new'), '--json']);
    try {
      await program.json();
    } finally {
      await program.stop();
    }
  });

  it('is finished when it was cut off between its last commit and the end of its mark', async () => {
    const into = ['import', at('a.age'), '--into', at('cut off'), '-i', key.file];
    const mark = path.join(at('cut off'), 'import.json');
    await done(into);
    await refused(into, /its vault holds \d+ readings/);
    const archive = createHash('sha256').update('another').digest('hex');
    for (const [digest, code] of [
      [archive, 1],
      [await digestOf(at('cut off')), 0],
    ] as const) {
      writeFileSync(mark, JSON.stringify({ archive: digest, file: at('a.age') }));
      await refused(['run', at('cut off')], /holds a part of .* only; finish it/);
      assert.equal((await cli(into)).code, code);
    }
    assert.ok(!existsSync(mark));
    await assertSame(at('cut off'));
  });

  it('comes back from what the stock tool made of it, into what init made', async () => {
    const tar = execFileSync(age, ['-d', '-i', key.file, at('a.age')]);
    execFileSync(age, ['-e', '-r', key.recipient, '-o', at('theirs.age')], { input: tar });
    await done(['init', at('made'), '--name', 'made', '--no-grants']);
    await done(['import', at('theirs.age'), '--into', at('made'), '-i', key.file]);
    await assertSame(at('made'));
    assert.match(readFileSync(path.join(at('made'), 'gateway.yaml'), 'utf8'), /name: made/);
  });

  it('takes a passphrase from a file or the environment, and several recipients from files', async () => {
    writeFileSync(at('phrase'), 'correct horse battery\n');
    await done(['export', gateway, '--out', at('p.age'), '--passphrase-file', at('phrase')]);
    await done(['import', at('p.age'), '--into', at('from-p'), '--passphrase-env', 'PHRASE'], {
      PHRASE: 'correct horse battery',
    });
    await assertSame(at('from-p'));
    const other = ageKey(home.path, 'other');
    writeFileSync(at('recipients'), `# two\n${key.recipient}\n${other.recipient}\n`);
    await done(['export', gateway, '--out', at('two.age'), '-R', at('recipients')]);
    for (const { file } of [key, other]) execFileSync(age, ['-d', '-i', file, '-o', '/dev/null', at('two.age')]);
  });

  it('is made of a gateway while it runs and takes readings in', async () => {
    const program = startCli(['run', gateway, '--json']);
    try {
      await program.json();
      await done(['export', gateway, '--out', at('running.age'), '-r', key.recipient]);
    } finally {
      await program.stop();
    }
    await done(['import', at('running.age'), '--into', at('from-running'), '-i', key.file]);
    await assertSame(at('from-running'));
  });

  it('refuses what does not fit, and leaves the target as it was', async () => {
    const into = at('untouched');
    const whole = readFileSync(at('a.age'));
    const file = (name: string, bytes: Uint8Array): string => {
      writeFileSync(at(name), bytes);
      return at(name);
    };
    const flipped = Buffer.from(whole);
    flipped[whole.length >> 1] ^= 1;
    const stranger = ageKey(home.path, 'stranger');
    execFileSync(age, ['-a', '-r', key.recipient, '-o', at('armoured.age'), at('phrase')]);
    execFileSync(age, ['-r', key.recipient, '-o', at('letter.age'), at('phrase')]);
    const mine = ['-i', key.file];
    for (const [from, opener, reason] of [
      [at('a.age'), ['-i', stranger.file], /a\.age: was made for another recipient/],
      [at('a.age'), ['--passphrase-file', at('phrase')], /give a key with --identity/],
      [at('a.age'), [], /a\.age was made for recipients: give --identity/],
      [at('p.age'), mine, /p\.age: was made with a passphrase/],
      [at('p.age'), ['--passphrase-file', at('key')], /p\.age: does not open with this passphrase/],
      [file('cut.age', whole.subarray(0, -100)), mine, /cut\.age: (is cut off|was altered)/],
      [file('flipped.age', flipped), mine, /flipped\.age: (was altered within|is cut off or altered)/],
      [file('empty.age', Buffer.alloc(0)), mine, /empty\.age: is not an age file/],
      [file('text.age', Buffer.from('hello')), mine, /text\.age: is not an age file/],
      [at('armoured.age'), mine, /armoured\.age: .*text form.*age -d/],
      [at('letter.age'), mine, /letter\.age: holds no/],
      [at('nothing.age'), mine, /nothing\.age is not there/],
    ] as const)
      await refused(['import', from, '--into', into, ...opener], reason);
    await refused(
      ['import', at('a.age'), '--into', into, ...mine, '--signer', 'ab'.repeat(32)],
      /is signed by [0-9a-f]{64}/,
    );
    assert.ok(!existsSync(into));
    mkdirSync(at('full'));
    writeFileSync(path.join(at('full'), 'letter'), 'mine');
    await refused(['import', at('a.age'), '--into', at('full'), ...mine], /no gateway and not empty/);
    assert.deepEqual(readdirSync(at('full')), ['letter']);
    await refused(['import', at('a.age'), '--into', at('new'), ...mine], /its vault holds \d+ readings/);
    await assertSame(at('new'));
  });

  it('refuses an export that nobody could open, or over a file', async () => {
    await refused(['export', gateway, '--out', at('n.age')], /say who can open the file/);
    await refused(
      ['export', gateway, '--out', at('n.age'), '-r', 'age1abc'],
      /not a key, or a character of it is wrong/,
    );
    await refused(['export', gateway, '--out', at('n.age'), '--passphrase'], /no terminal to ask on/);
    await refused(['export', gateway, '--out', at('a.age'), '-r', key.recipient], /a\.age is there already/);
    assert.ok(!existsSync(at('n.age')) && !existsSync(at('n.age.part')));
  });

  async function gatewayWith(readings: number): Promise<string> {
    const directory = at(`${readings}`);
    await done(['init', directory, '--name', 'big', '--yes']);
    const vault = await openGatewayVault(directory);
    for (let i = 0; i < readings; i += 50_000)
      await vault.journal.append({ source: 'door', readings: plainReadings(50_000, 4, i) });
    await vault.commit([{ kind: 'consumer', consumer: 'detect:1', replayFrom: vault.journal.head - 20_000 }]);
    await vault.close();
    return directory;
  }

  describe('of many readings', () => {
    const MB = 1 << 20;

    /** Too little for a million readings, and for the garbage that V8 lets lie where it has room. */
    const HEAP = { NODE_OPTIONS: '--max-old-space-size=64 --max-semi-space-size=2' };

    /** Highest memory of a command as the kernel counts it (Linux), megabytes. */
    async function peakOf(args: readonly string[]): Promise<number> {
      const program = startCli(args, HEAP);
      let peak = 0;
      const timer = setInterval(() => {
        try {
          const status = readFileSync(`/proc/${program.pid}/status`, 'utf8');
          peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024);
        } catch {
          // It has just ended.
        }
      }, 20);
      const code = await program.ended();
      clearInterval(timer);
      assert.equal(code, 0, program.output());
      assert.ok(peak > 0, 'its memory was not seen');
      return Math.round(peak / MB);
    }

    it('takes no more memory than one of few', async function () {
      this.timeout(600_000);
      const big = await gatewayWith(1_000_000);
      const few = await peakOf(['export', gateway, '--out', at('few.age'), '-r', key.recipient]);
      const many = await peakOf(['export', big, '--out', at('many.age'), '-r', key.recipient]);
      const fewBack = await peakOf(['import', at('few.age'), '--into', at('few'), '-i', key.file]);
      const manyBack = await peakOf(['import', at('many.age'), '--into', at('many'), '-i', key.file]);
      // As rows of text they take 75 MB, as objects twice that.
      assert.ok(many < few + 60, `export: ${few} MB for few readings, ${many} MB for a million`);
      assert.ok(manyBack < fewBack + 60, `import: ${fewBack} MB for few readings, ${manyBack} MB for a million`);
      console.log(`        export ${few} -> ${many} MB, import ${fewBack} -> ${manyBack} MB`);
      const vault = await openGatewayVault(at('many'));
      assert.equal((await vault.stats()).readings, 1_000_000);
      await vault.close();
    });

    it('goes on after kill -9, there and back', async function () {
      this.timeout(600_000);
      // Several pieces, and more than can be written before the kill.
      const big = await gatewayWith(400_000);
      const out = at('killed.age');
      const args = ['export', big, '--out', out, '-r', key.recipient];
      const first = startCli(args);
      await eventually('some of it is written', () => statSync(`${out}.part`).size > MB, 120_000);
      await first.kill();
      assert.ok(!existsSync(out), 'a half file has the final name');
      const { resumedAt } = JSON.parse((await done([...args, '--json'])).split('\n').at(-1)!) as { resumedAt: number };
      assert.ok(resumedAt > 0, 'it began anew');
      assert.ok(!existsSync(`${out}.part`));

      const into = at('killed');
      const second = startCli(['import', out, '--into', into, '-i', key.file]);
      await eventually('it fills the vault', () => existsSync(path.join(into, 'vault')), 120_000);
      await second.kill();
      await refused(['run', into], /holds a part of .*killed\.age only/);
      await refused(['export', into, '--out', at('half.age'), '-r', key.recipient], /holds a part of/);
      await done(['export', gateway, '--out', at('another.age'), '-r', key.recipient]);
      await refused(['import', at('another.age'), '--into', into, '-i', key.file], /another backup/);
      await done(['import', out, '--into', into, '-i', key.file]);
      const vault = await openGatewayVault(into);
      assert.equal((await vault.stats()).readings, 400_000);
      await vault.close();
    });
  });

  it('goes on when there was no room for the file', async () => {
    const out = at('small.age');
    const args = ['export', gateway, '--out', out, '-r', key.recipient];
    // Only the command line may write no more than 20 kB to a file; the vault is the running gateway's.
    const program = startCli(['run', gateway, '--json']);
    try {
      await program.json();
      const script = `trap '' XFSZ; ulimit -f 40; exec "$0" "$@"`;
      const node = [process.execPath, '--conditions=source', 'gateway/src/main.ts', ...args];
      const limited = new Program('export', '/bin/sh', ['-c', script, ...node]);
      assert.equal(await limited.ended(), 1, limited.output());
      assert.match(limited.output(), /no room is left; \d+ bytes are kept/);
      assert.ok(!existsSync(out) && existsSync(`${out}.part`));
      await done(args);
    } finally {
      await program.stop();
    }
    execFileSync(age, ['-d', '-i', key.file, '-o', '/dev/null', out]);
  });
});
