import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { systemClock } from '@tidegate/nodes/node';
import { makeIdentity } from '@tidegate/nodes/sync';
import type { Reading } from '@tidegate/nodes/reading';
import { orphanName, readSeriesRecords, SeriesRegistry, type Vault } from '@tidegate/nodes/vault';
import fc from 'fast-check';
import { entriesIn } from '../../../gateway/src/backup/archive-reader.ts';
import { makeHeader, parseHeader } from '../../../gateway/src/backup/age/age-header.ts';
import { payloadKey, StreamOpener, StreamSealer } from '../../../gateway/src/backup/age/age-stream.ts';
import { ExportSession, type Sealing } from '../../../gateway/src/backup/export-session.ts';
import { manifestBytes, readManifest, signManifest } from '../../../gateway/src/backup/manifest.ts';
import {
  READING_HEAD,
  readingOf,
  readingRow,
  RECENT_HEAD,
  recentOf,
  recentRow,
  rowsOf,
} from '../../../gateway/src/backup/reading-row.ts';
import { checkTarget } from '../../../gateway/src/backup/restore-target.ts';
import { Restore } from '../../../gateway/src/backup/restore.ts';
import { tarEnd, tarMember, TarReader } from '../../../gateway/src/backup/tar.ts';
import { type Verified, verify } from '../../../gateway/src/backup/verify.ts';
import { fillVault, itemsOf, oddReadings, plainReadings, readingsOf } from '../../support/backup.ts';
import { TemporaryVault } from '../../support/temporary-vault.ts';

const PASSPHRASE = 'a passphrase for the tests';
const OF = { gateway: 'lone', files: { config: 'name: lone\n', flows: '[]' }, now: Date.UTC(2026, 5, 1) };

let sealing: Sealing;
const opener = { passphrase: PASSPHRASE };

/** All pieces of a session, from where it is. */
async function pull(session: ExportSession, limit = Infinity): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  while (pieces.length < limit) {
    const { bytes, done } = await session.next(session.handedOut);
    pieces.push(Buffer.from(bytes));
    if (done) break;
  }
  return pieces;
}

async function exported(vault: Vault): Promise<Buffer> {
  const session = await ExportSession.begin(vault, OF, '/out.age', sealing);
  const bytes = Buffer.concat(await pull(session));
  await session.finish();
  return bytes;
}

async function* inPieces(bytes: Uint8Array, size = 100_003): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const entries = (bytes: Uint8Array): ReturnType<typeof entriesIn> => entriesIn(inPieces(bytes), opener);

/** The archive of a file in plain. */
function plainOf(file: Buffer): Buffer {
  const { length } = parseHeader(file);
  const stream = new StreamOpener(payloadKey(sealing.fileKey, file.subarray(length, length + 16)));
  return Buffer.concat([stream.push(file.subarray(length + 16)), stream.end()]);
}

function sealed(plain: Uint8Array): Buffer {
  const nonce = Buffer.alloc(16, 1);
  const stream = new StreamSealer(payloadKey(sealing.fileKey, nonce));
  return Buffer.concat([sealing.header, nonce, stream.push(plain), stream.end()]);
}

type Members = [name: string, body: Buffer][];

function membersOf(plain: Buffer): Members {
  const reader = new TarReader(() => undefined);
  const members = [...reader.push(plain)].map(({ name, body }): [string, Buffer] => [name, Buffer.from(body)]);
  reader.end();
  return members;
}

const archive = (members: Members): Buffer =>
  sealed(Buffer.concat([...members.map(([name, body]) => tarMember(name, body, 0)), tarEnd()]));

/** Fits the manifest to the parts as they are now and signs it anew. */
function resigned(members: Members, change: (manifest: ReturnType<typeof readManifest>) => void): Members {
  const at = members.findIndex(([name]) => name === 'manifest.json');
  const manifest = readManifest(members[at][1]);
  change(manifest);
  const pair = makeIdentity().sign;
  manifest.signer.publicKey = Buffer.from(pair.publicKey).toString('hex');
  const bytes = Buffer.from(manifestBytes(manifest));
  return [
    ...members.slice(0, at),
    ['manifest.json', bytes],
    ['manifest.sig', Buffer.from(signManifest(bytes, pair.privateKey))],
  ];
}

before(async () => {
  sealing = { ...(await makeHeader({ passphrase: PASSPHRASE, workFactor: 10 })), readers: 'a passphrase' };
});

describe('readings as rows', () => {
  it('come back as they were, whatever is in them', () => {
    const reading = fc.record(
      {
        series: fc.string({ minLength: 1, unit: 'grapheme' }),
        time: fc.oneof(
          fc.integer({ min: -1e12, max: 4e12 }),
          // A time of -0 is one of 0.
          fc.double({ noNaN: true }).map((time) => time + 0),
          fc.constant(1_700_000_000_000.125),
        ),
        value: fc.oneof(fc.double(), fc.boolean(), fc.string({ unit: 'grapheme' })),
        quality: fc.constantFrom('good' as const, 'uncertain' as const, 'bad' as const),
        clock: fc.constantFrom('device' as const, 'gateway' as const),
        unit: fc.string({ unit: 'grapheme' }),
        anomaly: fc.double({ noNaN: true }),
        stale: fc.constant(true),
      },
      { requiredKeys: ['series', 'time', 'value', 'quality', 'clock'], noNullPrototype: true },
    );
    fc.assert(
      fc.property(fc.array(reading), fc.string({ minLength: 1 }), (readings, source) => {
        const text = `${[READING_HEAD, ...readings.map(readingRow)].join('\n')}\n`;
        assert.deepEqual([...rowsOf(Buffer.from(text), READING_HEAD, 'part')].map(readingOf), readings);
        const recent = readings.map((one, i) => ({ ...one, position: i + 1 }));
        const lines = `${[RECENT_HEAD, ...recent.map((one) => recentRow(one, source))].join('\n')}\n`;
        const read = [...rowsOf(Buffer.from(lines), RECENT_HEAD, 'part')].map(recentOf);
        assert.deepEqual(
          read,
          recent.map((one) => ({ reading: one, source })),
        );
      }),
    );
  });

  it('come back from a long part, wherever the pieces end in which it is read', () => {
    const word = 'größer "als" eine\nZeile 😀'.repeat(9_000);
    for (const shift of ['', 'x', 'xy', 'xyz']) {
      const readings = plainReadings(3_000, 2).map((reading, i) => ({
        ...reading,
        series: `${shift}${reading.series}`,
        value: i % 500 === 0 ? word : '"😀\n"'.repeat(i % 40),
      }));
      const bytes = Buffer.from(`${[READING_HEAD, ...readings.map(readingRow)].join('\n')}\n`);
      assert.deepEqual([...rowsOf(bytes, READING_HEAD, 'part')].map(readingOf), readings);
      assert.throws(() => [...rowsOf(bytes.subarray(0, -20), READING_HEAD, 'part')], /part: line 3001 is cut off/);
    }
  });

  it('can be read by a person', () => {
    const [row] = plainReadings(1, 1).map(readingRow);
    assert.equal(row, 'site/line0/temperature,2026-05-01T00:00:00.000Z,20,good,°C,number,device,,');
  });

  for (const [line, reason] of [
    ['a,2026-05-01T00:00:00.000Z,1,good,,number', /line 2: has too few columns/],
    ['a,yesterday,1,good,,number,device,,', /no time/],
    ['a,2026-05-01T00:00:00.000Z,x,good,,number,device,,', /no number/],
    ['a,2026-05-01T00:00:00.000Z,1,fine,,number,device,,', /quality/],
    ['a,2026-05-01T00:00:00.000Z,"1,good,,number,device,,', /cut off/],
  ] as const)
    it(`name what is wrong with: ${line}`, () => {
      const text = `${READING_HEAD}\n${line}\n`;
      assert.throws(() => [...rowsOf(Buffer.from(text), READING_HEAD, 'part')].map(readingOf), reason);
    });
});

/** Words that cannot be compressed, so that there are several pieces. */
const words = (count: number, from: number): Reading[] =>
  plainReadings(count, 2, from).map((reading) => ({ ...reading, value: randomBytes(320).toString('base64') }));

describe('an export of a vault', () => {
  let home: TemporaryVault;
  let vault: Vault;

  beforeEach(async () => {
    home = await TemporaryVault.make();
    vault = await home.open();
    await fillVault(vault);
  });

  afterEach(() => home.remove());

  it('holds its own manifest, and all that was there', async () => {
    const { manifest, config, flows } = await verify(entries(await exported(vault)));
    assert.equal(manifest.counts.readings, vault.journal.head - 1);
    assert.equal(manifest.counts.recent, 700);
    assert.equal(manifest.counts.blocks, 2);
    assert.equal(manifest.counts.alerts, 2);
    assert.equal(manifest.counts.lost, 0);
    assert.equal(manifest.incarnation, vault.incarnation);
    assert.equal(manifest.signer.is, 'vault');
    assert.deepEqual([config, flows], [OF.files.config, OF.files.flows]);
  });

  it('says how much of all is out, and all only when it is done', async () => {
    await vault.journal.append({ source: 'door', readings: words(9_000, 10_000) });
    const session = await ExportSession.begin(vault, OF, '/out.age', sealing);
    const shares: number[] = [];
    for (let done = false; !done;) {
      const piece = await session.next(session.handedOut);
      shares.push(piece.share);
      ({ done } = piece);
    }
    await session.finish();
    assert.ok(shares.length >= 4 && shares[0] > 0 && shares[0] < 0.5, String(shares));
    assert.deepEqual(
      shares.toSorted((a, b) => a - b),
      shares,
    );
    assert.deepEqual(
      shares.map((share) => share === 1),
      shares.map((_, i) => i === shares.length - 1),
    );
  });

  it('leaves nothing of itself in the vault when it is done', async () => {
    await exported(vault);
    assert.deepEqual(await vault.documents.list('export'), []);
    assert.deepEqual(await vault.documents.list('export-parts'), []);
  });

  it('is of one moment, whatever is taken in meanwhile', async () => {
    const { head } = vault.journal;
    const before = await readingsOf(vault);
    const session = await ExportSession.begin(vault, OF, '/out.age', sealing);
    await vault.journal.append({ source: 'door', readings: plainReadings(3_000, 9, 50_000) });
    await vault.commit([
      { kind: 'document', namespace: 'shared', key: 'later', value: 1 },
      { kind: 'document', namespace: 'shared', key: 'stock', value: 'changed' },
      { kind: 'block', stream: 'operations/60', body: Buffer.alloc(5) },
    ]);
    const bytes = Buffer.concat(await pull(session));
    const { manifest, perSeries } = await verify(entries(bytes));
    assert.equal(manifest.head, head);
    assert.equal(manifest.counts.blocks, 2);
    assert.deepEqual(
      Object.fromEntries(perSeries),
      Object.fromEntries([...before].map(([name, list]) => [name, list.length])),
    );
    const documents = membersOf(plainOf(bytes)).find(([name]) => name.startsWith('documents/'))!;
    const text = gunzipSync(documents[1]).toString();
    assert.ok(text.includes('"count":12') && !text.includes('later'), text);
  });

  it('goes on after a kill at any piece, to the same archive byte for byte', async function () {
    this.timeout(60_000);
    for (let i = 0; i < 2; i++)
      await vault.journal.append({ source: 'door', readings: words(9_000, 10_000 + 9_000 * i) });
    await vault.commit([{ kind: 'consumer', consumer: 'detect:1', replayFrom: vault.journal.head - 50 }]);
    await vault.commit([{ kind: 'consumer', consumer: 'summary/60', replayFrom: vault.journal.head - 50 }]);
    const whole = await ExportSession.begin(vault, OF, '/whole.age', sealing);
    const pieces = await pull(whole);
    await whole.finish();
    assert.ok(pieces.length >= 4, `${pieces.length} pieces are too few to tell`);
    const expected = membersOf(plainOf(Buffer.concat(pieces)));
    for (let kill = 2; kill < pieces.length; kill++) {
      const first = await ExportSession.begin(vault, OF, '/out.age', sealing);
      const kept = Buffer.concat(await pull(first, kill));
      await first.close();
      const second = await ExportSession.resume(vault, '/out.age', 'a passphrase', kept.length);
      assert.ok(second instanceof ExportSession, JSON.stringify(second));
      const at = second.handedOut;
      assert.ok(at > 0 && at <= kept.length, `${at} of ${kept.length}`);
      const rest = Buffer.concat(await pull(second));
      // What was handed out and not kept comes out the same.
      assert.deepEqual(rest.subarray(0, kept.length - at), kept.subarray(at));
      const file = Buffer.concat([kept.subarray(0, at), rest]);
      await second.finish();
      assert.deepEqual(membersOf(plainOf(file)), expected);
      await verify(entries(file));
    }
  });

  it('says why it cannot go on', async () => {
    const resume = (readers: string, size: number): Promise<unknown> =>
      ExportSession.resume(vault, '/out.age', readers, size);
    assert.equal(await resume('a passphrase', 9), 'nothing of it can be gone on with');
    const session = await ExportSession.begin(vault, OF, '/out.age', sealing);
    await session.next(0);
    assert.equal(await resume('a passphrase', session.handedOut), 'nothing of it can be gone on with');
    await session.next(session.handedOut);
    await session.close();
    assert.equal(await resume('age1other', 1e9), 'it was begun for other readers');
    assert.match(String(await resume('a passphrase', 9)), /^only 9 of \d+ bytes are there$/);
  });

  it('never seals two texts under one nonce: what changed since is not gone on with', async () => {
    const session = await ExportSession.begin(vault, OF, '/out.age', sealing);
    await session.next(0);
    const at = session.handedOut;
    await session.next(at);
    await session.close();
    const [saved] = await vault.documents.list('export');
    const value = saved.value as { progress: object };
    const changed = { ...value, progress: { ...value.progress, series: 'site/line3/temperature', taken: 5 } };
    await vault.commit([{ kind: 'document', namespace: 'export', key: saved.key, value: changed }]);
    const again = await ExportSession.resume(vault, '/out.age', 'a passphrase', 1e9);
    assert.ok(again instanceof ExportSession);
    await assert.rejects(again.next(again.handedOut), { code: 'cannot-resume' });
  });

  describe('brought back', () => {
    let other: TemporaryVault;

    beforeEach(async () => {
      other = await TemporaryVault.make();
    });

    afterEach(() => other.remove());

    async function restored(file: Buffer): Promise<{ target: Vault; result: Awaited<ReturnType<Restore['run']>> }> {
      const target = await other.open();
      const verified = await verify(entries(file));
      await checkTarget(target, verified.archive);
      return { target, result: await new Restore(target, verified).run(() => entries(file)) };
    }

    it('holds every reading, in order, and goes on at the same position under a new incarnation', async () => {
      const { target, result } = await restored(await exported(vault));
      assert.equal(result.readings, vault.journal.head - 1);
      assert.equal(target.journal.head, vault.journal.head);
      assert.notEqual(target.incarnation, vault.incarnation);
      assert.deepEqual(await readingsOf(target), await readingsOf(vault));
      for (const { number, name } of vault.series.entries()) assert.equal(target.series.name(number), name);
    });

    it('gives a consumer the readings that it has still to see, at their positions and by their doors', async () => {
      const { target } = await restored(await exported(vault));
      const from = vault.journal.head - 700;
      for (const source of [undefined, 'door', 'other door'])
        assert.deepEqual(
          (await target.journal.read(from, 10_000, source)).readings,
          (await vault.journal.read(from, 10_000, source)).readings,
        );
    });

    it('holds memory, documents, alerts, receipts, causes and quarantine as they were', async () => {
      const { target } = await restored(await exported(vault));
      const detect = await vault.checkpoints.load('detect:1');
      const mine = await target.checkpoints.load('detect:1');
      assert.equal(mine?.replayFrom, detect?.replayFrom);
      assert.deepEqual(mine?.series, detect?.series);
      for (const kind of ['alerts', 'causes', 'receipts'] as const)
        assert.deepEqual(await itemsOf(target, kind), await itemsOf(vault, kind), kind);
      assert.deepEqual(await target.journal.rejections(10), await vault.journal.rejections(10));
      for (const namespace of ['shared', 'grants'])
        assert.deepEqual(await target.documents.list(namespace), await vault.documents.list(namespace));
    });

    it('moves the positions of what people say of series along where it has to move readings', async () => {
      const registry = new SeriesRegistry(vault, systemClock);
      await registry.replace('site/line1/temperature', 'no. 7');
      await registry.retire('site/line2/temperature');
      const file = await exported(vault);
      const target = await other.open();
      // As if the journal had lost what the segments still hold: all is history then, and needs more positions.
      async function* withoutRecent(): ReturnType<typeof entries> {
        for await (const entry of entries(file))
          if (entry.place.kind !== 'part' || entry.place.folder !== 'recent') yield entry;
      }
      await new Restore(target, await verify(entries(file))).run(withoutRecent);
      const shift = target.journal.head - vault.journal.head;
      assert.equal(shift, 700);
      const [was, is] = [await readSeriesRecords(vault), await readSeriesRecords(target)];
      const [sensor, retired] = [
        [was, is].map((records) => records.get('site/line1/temperature')!.sensor!.since.position),
        [was, is].map((records) => records.get('site/line2/temperature')!.retired!.position),
      ];
      assert.deepEqual([sensor[1] - sensor[0], retired[1] - retired[0]], [shift, shift]);
    });

    it('sets aside what belongs to the old incarnation', async () => {
      const { target, result } = await restored(await exported(vault));
      assert.deepEqual(result.aside, { blocks: 2, windows: 1 });
      const stream = orphanName({ incarnation: vault.incarnation, name: 'operations/60' });
      assert.deepEqual(
        (await target.outbox.streams()).map((backlog) => [backlog.stream, backlog.count]),
        [[stream, 2]],
      );
      const before = await vault.outbox.peek('operations/60', 'oldest', [], 1 << 20);
      const blocks = await target.outbox.peek(stream, 'oldest', [], 1 << 20);
      assert.deepEqual(
        blocks.map(({ number, body }) => [number, Buffer.from(body)]),
        before.map(({ number, body }) => [number, Buffer.from(body)]),
      );
      const maker = await target.checkpoints.load('summary/60');
      assert.deepEqual(maker, { replayFrom: vault.journal.head, series: [] });
    });

    it('can be copied again', async () => {
      const { target } = await restored(await exported(vault));
      const { manifest } = await verify(entries(await exported(target)));
      assert.equal(manifest.counts.readings, vault.journal.head - 1);
      assert.equal(manifest.incarnation, target.incarnation);
    });

    it('goes on after a kill at any commit', async function () {
      this.timeout(120_000);
      const file = await exported(vault);
      const verified = await verify(entries(file));
      // The n-th write fails and with it the run, until one comes through.
      for (let kills = 0, writes = 1; ; kills++, writes++) {
        const target = await other.open();
        await checkTarget(target, verified.archive);
        const done = await new Restore(failing(target, writes), verified)
          .run(() => entries(file))
          .then(
            () => true,
            (error: Error) => {
              assert.equal(error.message, 'killed');
              return false;
            },
          );
        if (!done) {
          await target.close();
          other.forget(target);
          continue;
        }
        assert.ok(kills >= 5, `${kills} kills`);
        assert.deepEqual(await readingsOf(target), await readingsOf(vault));
        assert.equal(target.journal.head, vault.journal.head);
        assert.deepEqual(await itemsOf(target, 'alerts'), await itemsOf(vault, 'alerts'));
        assert.equal((await target.journal.rejections(10)).length, 2);
        assert.equal((await target.stats()).orphanBlocksWaiting, 2);
        break;
      }
    });

    it('does not go over a vault with data, nor over half of another backup', async () => {
      const target = await other.open();
      await target.journal.append({ source: 'x', readings: oddReadings() });
      await assert.rejects(checkTarget(target, 'one'), /holds 9 readings/);
      await target.commit([
        { kind: 'document', namespace: 'restore', key: 'state', value: { archive: 'two', done: false } },
      ]);
      await assert.rejects(checkTarget(target, 'one'), { code: 'other-import' });
      await checkTarget(target, 'two');
    });

    it('keeps all readings where the journal lost some that the rest of the vault still has', async () => {
      const members = membersOf(plainOf(await exported(vault)));
      // The recent part without its first 10 rows.
      const recent = members.find(([name]) => name.startsWith('recent/'))!;
      const [head, ...rows] = gunzipSync(recent[1]).toString().trimEnd().split('\n');
      recent[1] = gzipSync(`${[head, ...rows.slice(10)].join('\n')}\n`);
      const file = archive(
        resigned(members, (manifest) => {
          const part = manifest.parts.find(({ name }) => name === recent[0])!;
          part.bytes = recent[1].length;
          part.items = rows.length - 10;
          part.sha256 = createHash('sha256').update(recent[1]).digest('hex');
          manifest.counts.recent -= 10;
        }),
      );
      const { target } = await restored(file);
      assert.deepEqual(await readingsOf(target), await readingsOf(vault));
      // Positions move on by as many as there was no room for.
      assert.equal(target.journal.head, vault.journal.head + 10);
    });
  });

  describe('that was tampered with', () => {
    let members: Members;

    beforeEach(async () => {
      members = membersOf(plainOf(await exported(vault)));
    });

    const check = (changed: Members): Promise<Verified> => verify(entries(archive(changed)));
    const index = (folder: string): number => members.findIndex(([name]) => name.startsWith(folder));

    it('is refused when a byte of the file is another one', async () => {
      const file = archive(members);
      await check(members);
      for (let at = 0; at < file.length; at += 1_009) {
        const other = Buffer.from(file);
        other[at] ^= 0x10;
        await assert.rejects(verify(entries(other)), `byte ${at}`);
      }
    });

    it('is refused when it is cut off anywhere', async () => {
      const file = archive(members);
      for (let size = 0; size < file.length; size += 1_999)
        await assert.rejects(verify(entries(file.subarray(0, size))), `${size} bytes`);
    });

    const cases: [what: string, change: () => Members, reason: RegExp][] = [
      ['a part is missing', () => members.filter((_, i) => i !== index('alerts')), /alerts.*|not in its manifest/],
      ['parts change places', () => swapped(members, index('consumers'), index('alerts')), /not in its manifest/],
      [
        'a part is another one',
        () => with_(index('alerts'), gzipSync('{"id":"a","revision":1,"body":""}\n')),
        /alerts.*bytes/,
      ],
      [
        'the manifest says other things',
        () =>
          with_(
            index('manifest.json'),
            Buffer.from(members[index('manifest.json')][1].toString().replace('"lone"', '"mine"')),
          ),
        /signature/,
      ],
      ['the signature is another one', () => with_(index('manifest.sig'), Buffer.alloc(64)), /signature/],
      ['there is no manifest', () => members.slice(0, -2), /without its signed manifest/],
      [
        'a count is another one, signed by somebody',
        () => resigned(members, (manifest) => manifest.counts.readings++),
        /readings: \d+ found/,
      ],
      [
        'it is of a newer format',
        () => with_(0, Buffer.from('{"format":"tidegate-backup","version":2}')),
        /format 2; this tidegate reads 1/,
      ],
      ['it is another archive', () => [['hello.txt', Buffer.from('x')]], /"hello.txt" belongs to no backup/],
      [
        'an entry climbs out',
        () => [members[0], ['../../etc/passwd', Buffer.from('x')]],
        /"..\/..\/etc\/passwd" belongs to no backup/,
      ],
      ['an entry is absolute', () => [members[0], ['/etc/passwd', Buffer.from('x')]], /belongs to no backup/],
      ['an entry is there twice', () => [members[0], members[0]], /twice/],
      [
        'a part is left out in the numbers',
        () => [members[0], ['readings/000002.csv.gz', Buffer.from('x')]],
        /out of order/,
      ],
      [
        'a part unpacks without bound',
        () => with_(index('alerts'), gzipSync(Buffer.alloc(60 << 20))),
        /unpacks to more/,
      ],
      ['a part is no gzip', () => with_(index('alerts'), Buffer.from('plain')), /no gzip/],
      [
        'something stands behind the signature',
        () => [...members, ['alerts/000002.ndjson.gz', gzipSync('')]],
        /behind the signature/,
      ],
    ];
    for (const [what, change, reason] of cases)
      it(`is refused when ${what}`, () => assert.rejects(check(change()), reason));

    it('is refused when an entry claims to be larger than any can be', async () => {
      const header = Buffer.from(tarMember('alerts/000001.ndjson.gz', Buffer.alloc(0), 0));
      header.write('77777777777\0', 124, 'latin1');
      header.fill(0x20, 148, 156);
      header.write(
        `${header
          .reduce((sum, byte) => sum + byte, 0)
          .toString(8)
          .padStart(6, '0')}\0 `,
        148,
        'latin1',
      );
      const about = tarMember('about.json', members[0][1], 0);
      await assert.rejects(verify(entries(sealed(Buffer.concat([about, header])))), /allowed are/);
    });

    it('is refused when an entry is a link', async () => {
      const link = Buffer.from(tarMember('about.json', Buffer.alloc(0), 0));
      link[156] = 0x32;
      link.fill(0x20, 148, 156);
      link.write(
        `${link
          .reduce((sum, byte) => sum + byte, 0)
          .toString(8)
          .padStart(6, '0')}\0 `,
        148,
        'latin1',
      );
      await assert.rejects(verify(entries(sealed(link))), /no regular file/);
    });

    function with_(at: number, body: Buffer): Members {
      return members.map((member, i) => (i === at ? [member[0], body] : member));
    }
  });
});

function swapped(members: Members, a: number, b: number): Members {
  const all = [...members];
  [all[a], all[b]] = [all[b], all[a]];
  return all;
}

/** The vault, whose n-th write does not happen and ends everything, as a kill would. */
function failing(vault: Vault, writes: number): Vault {
  let left = writes;
  const count = <Result>(write: () => Promise<Result>): Promise<Result> =>
    --left < 0 ? Promise.reject(new Error('killed')) : write();
  const journal = new Proxy(vault.journal, {
    get: (target, name) =>
      name === 'append'
        ? (batch: Parameters<Vault['journal']['append']>[0]) => count(() => target.append(batch))
        : Reflect.get(target, name),
  });
  return new Proxy(vault, {
    get: (target, name) => {
      if (name === 'journal') return journal;
      if (name === 'commit') return (changes: Parameters<Vault['commit']>[0]) => count(() => target.commit(changes));
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
