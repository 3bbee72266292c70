import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Reading } from '@tidegate/nodes/reading';
import { GAPS, gapSchema, type KeyStatus, type Vault } from '@tidegate/nodes/vault';
import mqtt from 'mqtt';
import { parse, stringify } from 'yaml';
import { ageKey, cli, openGatewayVault, startCli, type AgeKey } from '../support/backup.ts';
import { filesBelow, formsOf, formsOfNumber, found, type FoundFile } from '../support/card-search.ts';
import { temporaryDirectory, type Ready } from '../support/gateway.ts';
import { root, type Program } from '../support/process.ts';
import { needTool } from '../support/tools.ts';

const COUNT = 400;
const SERIES = 'zqkiln/phosgene';
const MODE = 'zqkiln/recipe';
const WORD = 'zqmolten vanadium';
const UNIT = 'zqfurlongs';
const TIME_OF_DAY = 6 * 3_600_000;
/** Values that nothing else on the card is likely to hold. */
const VALUE = 8_675_309.125;
const TEXTS = [
  SERIES,
  MODE,
  WORD,
  UNIT,
  'zqalertbody',
  'zqdocument',
  'zqnamespace',
  'zqrubbish',
  'zqreason',
  'zqstate',
  'zqblock',
  'site/zqlive/valve',
  'zqdoor',
];
const NEEDLES = [...TEXTS, VALUE, VALUE + 1];

/** Head of a public key of Ed25519 as SPKI (RFC 8410): the 32 bytes follow. */
const ED25519 = Buffer.from('302a300506032b6570032100', 'hex');

/** Begin of the month so many months ago, and its name. */
function monthAgo(count: number): { begin: number; name: string } {
  const now = new Date();
  const begin = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - count, 1);
  return { begin, name: new Date(begin).toISOString().slice(0, 7) };
}
const MONTHS = [monthAgo(3), monthAgo(2), monthAgo(1)] as const;
const [DOOMED, KEPT] = MONTHS;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text.repeat(8));

function readingsOf(begin: number, from: number, count: number): Reading[] {
  return Array.from({ length: count }, (_, i): Reading[] => {
    const time = begin + TIME_OF_DAY + (from + i) * 60_000;
    const rest = { time, quality: 'good', clock: 'device' } as const;
    return [
      { series: SERIES, value: VALUE + (i % 2), unit: UNIT, ...rest },
      { series: MODE, value: `${WORD} ${from + i}`, ...rest },
    ];
  }).flat();
}

/** Half of each month is folded into segments, half lies in the journal. */
async function fill(vault: Vault): Promise<void> {
  for (const [i, { begin }] of MONTHS.entries()) {
    await vault.journal.append({ source: 'zqdoor', readings: readingsOf(begin, 0, COUNT / 2) });
    await vault.commit([
      { kind: 'alert', id: `${i}`.repeat(32), revision: 1, body: bytes('zqalertbody') },
      { kind: 'block', stream: 'operations/60', body: bytes('zqblock') },
      { kind: 'document', namespace: 'zqnamespace', key: `zqdocument${i}`, value: { zqdocument: 'zqdocument' } },
      { kind: 'consumer', consumer: 'zqstate', replayFrom: vault.journal.head },
      { kind: 'checkpoint', consumer: 'zqstate', series: 1, position: 1, state: bytes('zqstate') },
    ]);
  }
  const rejection = { code: 'unreadable', reason: 'zqreason', topic: SERIES, head: bytes('zqrubbish'), size: 72 };
  await vault.journal.append({ source: 'zqdoor', readings: [], rejections: [{ ...rejection, time: MONTHS[2].begin }] });
  await vault.fold();
  for (const { begin } of MONTHS)
    await vault.journal.append({ source: 'zqdoor', readings: readingsOf(begin, COUNT / 2, COUNT / 2) });
  // It has seen them: a flow that never reads on would keep the key of the journal.
  await vault.commit([{ kind: 'consumer', consumer: 'zqstate', replayFrom: vault.journal.head }]);
}

async function done(...args: string[]): Promise<string> {
  const { code, output } = await cli(args);
  assert.equal(code, 0, output);
  return output;
}

/** What `tidegate query` writes of one month, to the byte, and what it says. */
function csvOf(directory: string, { begin }: { begin: number }): { code: number | null; csv: string; words: string } {
  const to = new Date(begin);
  to.setUTCMonth(to.getUTCMonth() + 1);
  const span = ['--from', new Date(begin).toISOString(), '--to', to.toISOString()];
  const args = ['--conditions=source', 'gateway/src/main.ts', 'query', directory, '--series', '**', ...span];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  return { code: status, csv: stdout, words: stderr };
}

const rowsIn = (csv: string): number => csv.split('\n').filter((line) => line.startsWith('zq')).length;

async function publish(ready: Ready): Promise<void> {
  const sensor = await mqtt.connectAsync(ready.gatewayBroker);
  for (let i = 0; i < 40; i++)
    await sensor.publishAsync('site/zqlive/valve', JSON.stringify({ value: VALUE + 1, unit: UNIT }), { qos: 1 });
  await sensor.publishAsync('site/zqlive/valve', 'zqrubbish', { qos: 1 });
  await sensor.endAsync();
}

/** Names, order, sizes, digests, counts and the signature, with nothing of ours. */
function checkExport(tar: Buffer): void {
  const names = execFileSync('tar', ['-t'], { input: tar, encoding: 'utf8' }).trim().split('\n');
  const entry = (name: string): Buffer =>
    execFileSync('tar', ['-xO', name], { input: tar, maxBuffer: 1 << 28, stdio: ['pipe', 'pipe', 'pipe'] });
  assert.equal(names[0], 'about.json');
  assert.deepEqual(names.slice(-2), ['manifest.json', 'manifest.sig']);
  const text = entry('manifest.json');
  const manifest = JSON.parse(text.toString()) as {
    parts: { name: string; bytes: number; sha256: string }[];
    counts: { readings: number };
    signer: { publicKey: string; is: string };
  };
  assert.deepEqual(
    manifest.parts.map(({ name }) => name),
    names.slice(0, -2),
  );
  for (const { name, bytes: size, sha256 } of manifest.parts) {
    const held = entry(name);
    assert.deepEqual([held.length, createHash('sha256').update(held).digest('hex')], [size, sha256], name);
  }
  const documented = new Set([
    'gateway',
    'series',
    'documents',
    'consumers',
    'checkpoints',
    'causes',
    'receipts',
    'rejections',
    'streams',
    'blocks',
    'alerts',
    'recent',
    'readings',
    'totals',
  ]);
  for (const name of names) if (name.includes('/')) assert.ok(documented.has(name.split('/')[0]), name);
  const key = Buffer.concat([ED25519, Buffer.from(manifest.signer.publicKey, 'hex')]);
  assert.ok(verify(null, text, createPublicKey({ key, format: 'der', type: 'spki' }), entry('manifest.sig')));
  const rows = names
    .filter((name) => name.startsWith('readings/'))
    .flatMap((name) => gunzipSync(entry(name)).toString().trim().split('\n').slice(1));
  assert.equal(rows.length, manifest.counts.readings);
  const first = new Date(DOOMED.begin + TIME_OF_DAY).toISOString();
  assert.ok(rows.includes(`${SERIES},${first},${VALUE},good,${UNIT},number,device,,`), rows[0]);
  for (const { name } of MONTHS) assert.equal(rows.filter((row) => row.includes(`,${name}-`)).length, 2 * COUNT);
}

/** Whatever the vault says to what it is given: not one row of the month comes out of it. */
function assertClosed(directory: string): void {
  assert.equal(rowsIn(csvOf(directory, DOOMED).csv), 0, `rows of ${DOOMED.name}`);
}

/** What an auditor can do with a card: each step is one of "See it yourself" in docs/vault.md, with the commands given there. */
describe('the auditor’s proof', function () {
  this.timeout(180_000);
  let home: { path: string; remove: () => void };
  let strings: string;
  let age: string;
  let backupKey: AgeKey;
  let gateway: string;
  /** One that never ran, so that no flow has yet to read what came in before the shred. */
  let quiet: string;
  let oldKey: string;
  let newKey: string;
  let running: Program | undefined;
  const at = (name: string): string => path.join(home.path, name);
  /** What a query wrote of each month before the shred. */
  const csvBefore = new Map<string, string>();

  /** Nothing of what was measured, and no key, can be found in any file but the key's own. */
  function assertNothing(moment: string): FoundFile[] {
    const files = filesBelow(gateway).filter(({ file }) => file !== oldKey);
    const secret = readFileSync(oldKey, 'utf8').trim();
    assert.deepEqual(found(files, [...NEEDLES, secret], strings), [], moment);
    const raw = Buffer.from(secret, 'hex');
    for (const form of [raw, Buffer.from(raw.toString('base64')), Buffer.from(raw.toString('base64url'))])
      for (const { file, bytes: held } of files) assert.ok(!held.includes(form), `${moment}: the key is in ${file}`);
    return files;
  }

  const start = async (): Promise<Ready> => {
    running = startCli(['run', gateway, '--json']);
    return running.json<Ready>();
  };

  /** A copy of a gateway's directory that opens with the key in a file. */
  function copyOf(from: string, name: string, key: string): string {
    const copy = at(name);
    cpSync(from, copy, { recursive: true, filter: (file) => !file.endsWith('.sock') });
    const yaml = path.join(copy, 'gateway.yaml');
    const config = parse(readFileSync(yaml, 'utf8')) as { vault?: object };
    writeFileSync(yaml, stringify({ ...config, vault: { ...config.vault, key: { file: key } } }));
    return copy;
  }

  before(async function () {
    age = needTool(this, 'age');
    strings = needTool(this, 'strings');
    home = temporaryDirectory('auditor');
    backupKey = ageKey(home.path, 'backup.key');
    gateway = at('gateway');
    await done('init', gateway, '--name', 'lone', '--yes');
    const yaml = path.join(gateway, 'gateway.yaml');
    writeFileSync(yaml, readFileSync(yaml, 'utf8').replace('port: 1883', 'port: 0').replace('port: 1880', 'port: 0'));
    oldKey = path.join(gateway, 'keys/vault.key');
    newKey = at('new.key');
    await done('key', 'new', newKey);
    quiet = at('quiet');
    await done('init', quiet, '--name', 'quiet', '--yes');
    for (const directory of [gateway, quiet]) {
      const vault = await openGatewayVault(directory);
      await fill(vault);
      await vault.close();
    }
  });

  after(async () => {
    await running?.kill();
    home?.remove();
  });

  it('the search finds what lies open, in every form', () => {
    const open = at('open');
    mkdirSync(open);
    const all = TEXTS.flatMap((text) => [...formsOf(text)]).concat([...formsOfNumber(VALUE)]);
    for (const [i, [, form]] of all.entries())
      writeFileSync(path.join(open, String(i)), Buffer.concat([Buffer.alloc(i % 5, 7), form, Buffer.alloc(9)]));
    const places = found(filesBelow(open), NEEDLES, strings);
    for (const i of all.keys())
      assert.ok(
        places.some((place) => place.endsWith(`/${i}`)),
        `file ${i} is not found`,
      );
    for (const text of TEXTS) {
      // However many bytes stand before and behind it.
      for (let offset = 0; offset < 6; offset++) {
        const text64 = Buffer.from(`${'x'.repeat(offset)}${text}yz`).toString('base64');
        assert.ok(found([{ file: 'f', bytes: Buffer.from(text64) }], [text], strings).length > 0, text64);
      }
    }
    rmSync(open, { recursive: true });
  });

  it('1: nothing can be read on the card while it runs, after SIGKILL and after a stop, nor in an export', async () => {
    let ready = await start();
    await publish(ready);
    const live = assertNothing('while it runs');
    for (const name of ['catalogue.db', 'catalogue.db-wal', 'catalogue.db-shm', 'vault.keys'])
      assert.ok(
        live.some(({ file }) => file === path.join(gateway, 'vault', name)),
        `no ${name} was searched`,
      );
    for (const folder of ['journal', 'segments', 'blocks', 'state'])
      assert.ok(
        live.some(({ file }) => path.dirname(file) === path.join(gateway, 'vault', folder)),
        `nothing of ${folder}/ was searched`,
      );
    const out = path.join(gateway, 'export.age');
    await done('export', gateway, '--out', out, '--recipient', backupKey.recipient);
    assert.ok(assertNothing('while it runs, with an export').some(({ file }) => file === out));
    await running!.kill();
    assertNothing('after SIGKILL');
    ready = await start();
    await publish(ready);
    await running!.stop();
    assertNothing('after a stop');
  });

  it('2: the stock age opens an export, which is what it says', async () => {
    const out = path.join(gateway, 'export.age');
    const tar = execFileSync(age, ['-d', '-i', backupKey.file, out], { maxBuffer: 1 << 28 });
    checkExport(tar);
    // The same search finds everything here.
    const plain = at('plain');
    mkdirSync(plain);
    execFileSync('tar', ['-x', '-C', plain], { input: tar });
    const unpacked = filesBelow(plain).map(({ file, bytes: held }) => ({
      file,
      bytes: file.endsWith('.gz') ? gunzipSync(held) : held,
    }));
    const readable = found(unpacked, TEXTS, strings).join('\n');
    for (const text of [SERIES, MODE, WORD, UNIT, 'zqnamespace', 'zqdocument', 'zqreason', 'site/zqlive/valve'])
      assert.ok(readable.includes(`"${text}"`), `${text} is not in the export`);
    assert.ok(unpacked.some(({ bytes: held }) => held.includes(String(VALUE))));
    rmSync(plain, { recursive: true });
    rmSync(out);
  });

  it('2: and one with a passphrase', async () => {
    const phrase = 'correct horse battery';
    writeFileSync(at('phrase'), `${phrase}\n`, { mode: 0o600 });
    await done('export', gateway, '--out', at('p.age'), '--passphrase-file', at('phrase'));
    // age asks on a terminal and takes no passphrase otherwise: script(1) is one.
    const opened = at('p.tar');
    const command = `${age} -d -o ${opened} ${at('p.age')}`;
    execFileSync('script', ['-qec', command, '/dev/null'], { input: `${phrase}\n`, timeout: 60_000 });
    checkExport(readFileSync(opened));
    assert.throws(() =>
      execFileSync('script', ['-qec', command, '/dev/null'], {
        input: 'wrong horse\n',
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
    );
  });

  it('3: a shredded month is gone, with its key, and the others are what they were', async () => {
    for (const month of MONTHS) csvBefore.set(month.name, csvOf(quiet, month).csv);
    for (const [name, csv] of csvBefore) assert.equal(rowsIn(csv), 2 * COUNT, name);
    cpSync(quiet, at('stolen before'), { recursive: true });
    const header = path.join(quiet, 'vault/vault.keys');
    const { keys } = JSON.parse(readFileSync(header, 'utf8')) as { keys: { id: number; wrapped: string }[] };

    await done('key', 'shred', quiet, '--before', KEPT.name, '--to', `file:${newKey}`, '--yes');
    const gone = csvOf(quiet, DOOMED);
    assert.equal(gone.code, 0, gone.words);
    assert.equal(rowsIn(gone.csv), 0);
    for (const month of MONTHS.slice(1)) assert.equal(csvOf(quiet, month).csv, csvBefore.get(month.name), month.name);

    const status = JSON.parse(await done('key', 'status', quiet, '--json')) as KeyStatus;
    assert.deepEqual(
      status.shredded.map(({ month }) => month),
      [DOOMED.name],
    );
    assert.ok(!status.months.includes(DOOMED.name) && status.months.includes(KEPT.name));
    assert.equal(status.journalKeys, 1, 'the key of the journal from before is still there');
    const vault = await openGatewayVault(quiet, newKey);
    const gaps = (await vault.documents.list(GAPS)).map(({ value }) => gapSchema.parse(value));
    await vault.close();
    const readings = gaps.filter(({ cause, what }) => cause === 'shredded' && what === 'readings');
    assert.equal(
      readings.reduce((sum, { count }) => sum + count, 0),
      2 * COUNT,
      'readings declared to be shredded',
    );

    const after = new Set(
      (JSON.parse(readFileSync(header, 'utf8')) as { keys: { wrapped: string }[] }).keys.map(({ wrapped }) => wrapped),
    );
    assert.ok(keys.length > 3 && !keys.some(({ wrapped }) => after.has(wrapped)), 'a wrapping from before');
    for (const { id, wrapped } of keys)
      for (const { file, bytes: held } of filesBelow(quiet))
        for (const form of [wrapped, Buffer.from(wrapped, 'base64'), Buffer.from(wrapped, 'base64').toString('hex')])
          assert.ok(!held.includes(form), `the wrapped key ${id} from before is in ${file}`);
    assert.match(await done('vault', 'verify', quiet), /Everything in the vault is as it was written/);
  });

  it('4: a copy from before does not open with the key of afterwards; with its own old key it does', async () => {
    const withNewKey = copyOf(at('stolen before'), 'stolen, new key', newKey);
    const { code, csv, words } = csvOf(withNewKey, DOOMED);
    assert.equal(code, 1, words);
    assert.match(words, /key/);
    assert.equal(rowsIn(csv), 0);
    // Nothing on the device can take that back: the old card and the old key together are the month.
    const withOldKey = copyOf(at('stolen before'), 'stolen, old key', at('stolen before/keys/vault.key'));
    assert.equal(csvOf(withOldKey, DOOMED).csv, csvBefore.get(DOOMED.name));
  });

  it('5: old segments and journal put back beside today’s vault.keys stay closed', async () => {
    const put = copyOf(quiet, 'put back', newKey);
    for (const folder of ['segments', 'journal'])
      cpSync(path.join(at('stolen before/vault'), folder), path.join(put, 'vault', folder), { recursive: true });
    assertClosed(put);
    // What is newer is not lost by it, or it is named.
    const { output } = await cli(['vault', 'verify', put]);
    const whole = MONTHS.slice(1).every((month) => csvOf(put, month).csv === csvBefore.get(month.name));
    assert.ok(whole || /^(?:altered|rolled-back|removed|duplicated|reordered) /m.test(output), output);
  });

  it('5: and so does the whole old vault with today’s vault.keys, which is named with what cannot be read of it', async () => {
    const put = copyOf(at('stolen before'), 'old vault', newKey);
    cpSync(path.join(quiet, 'vault/vault.keys'), path.join(put, 'vault/vault.keys'));
    // At the first start, and while nothing has taken the place of what is missing.
    for (let i = 0; i < 2; i++) {
      const { code, output } = await cli(['vault', 'verify', put]);
      assert.equal(code, 1, output);
      assert.match(output, /^rolled-back .*records? \d+.* under a journal key that was destroyed/m);
    }
    assertClosed(put);
    // The part that lay in the journal, under a key that went with the shred.
    for (const month of MONTHS.slice(1)) assert.equal(rowsIn(csvOf(put, month).csv), COUNT, month.name);
    const vault = await openGatewayVault(put, newKey);
    const { readings, damaged, problems } = await vault.stats();
    const gaps = (await vault.documents.list(GAPS)).map(({ value }) => gapSchema.parse(value));
    await vault.close();
    assert.equal(readings, 2 * COUNT);
    assert.ok(damaged > 0);
    assert.match(problems.join('\n'), /under a journal key that was destroyed/);
    const lost = gaps.filter(({ cause, what }) => cause === 'damaged' && what === 'readings');
    assert.equal(
      lost.reduce((sum, { count }) => sum + count, 0),
      3 * COUNT,
    );
  });
});
