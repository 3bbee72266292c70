import assert from 'node:assert/strict';
import { RECEIPT_WINDOW, QUARANTINE_LIMIT, type Change, type Vault, type VaultNotice } from '@tidegate/nodes/vault';
import type { Rejection } from '@tidegate/nodes/reading';
import type { VaultOptions } from '@tidegate/nodes/vault';
import { VaultFolder, journalOf, reading } from '../support/vault.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (body: Uint8Array): string => new TextDecoder().decode(body);

const rejection = (i: number): Rejection => ({
  code: 'not-a-number',
  reason: `no number: ${i}`,
  topic: 'site/x',
  head: bytes(`NaN ${i}`),
  size: 5,
  time: i,
});

const block = (stream: string, body: string): Change => ({ kind: 'block', stream, body: bytes(body) });

const alert = (id: string, revision: number, body: string): Change => ({
  kind: 'alert',
  id,
  revision,
  body: bytes(body),
});

const put = (key: string, value: unknown): Change => ({ kind: 'document', namespace: 'state', key, value });

const expecting = (value: unknown): Change => ({
  kind: 'expect-document',
  namespace: 'state',
  key: 'lock',
  value,
});

/** What every implementation of `Vault` does. `open` opens the vault in a folder, again after a close. */
export function vaultContract(name: string, open: (options: VaultOptions) => Promise<Vault>): void {
  describe(`${name} as a Vault`, () => {
    let folder: VaultFolder;
    let vault: Vault;

    beforeEach(async () => {
      folder = new VaultFolder();
      vault = await open(folder.options);
    });

    afterEach(async () => {
      await vault.close();
      folder.remove();
    });

    const reopen = async (): Promise<void> => {
      await vault.close();
      vault = await open(folder.options);
    };

    describe('journal', () => {
      it('gives positions without gaps from 1, in the order of the appends', async () => {
        assert.equal(vault.journal.head, 1);
        const firsts = await Promise.all([
          vault.journal.append({ source: 'a', readings: [reading('x', 1), reading('y', 2)] }),
          vault.journal.append({ source: 'b', readings: [reading('x', 3)] }),
          vault.journal.append({ source: 'a', readings: [reading('z', 4)] }),
        ]);
        assert.deepEqual(firsts, [1, 3, 4]);
        assert.equal(vault.journal.head, 5);
        const all = await journalOf(vault);
        assert.deepEqual(
          all.map(({ position, series, value }) => [position, series, value]),
          [
            [1, 'x', 1],
            [2, 'y', 2],
            [3, 'x', 3],
            [4, 'z', 4],
          ],
        );
      });

      it('brings back every field after a reopen', async () => {
        const readings = [
          reading('line1/pump3/temperature', 21.37, { unit: '°C', quality: 'uncertain', clock: 'device' }),
          reading('door', true, { quality: 'bad' }),
          reading('door', false, { stale: true }),
          reading('mode', 'nächster Halt 🚏', { anomaly: 0.75, unit: '' }),
          reading('tiny', 5e-324, { time: 0.5 }),
          reading('huge', -1.7976931348623157e308, { time: -8.64e15 }),
          reading('zero', -0, { time: 8.64e15 }),
          reading('int', 2 ** 53),
        ];
        await vault.journal.append({ source: 'a', readings });
        await reopen();
        assert.deepEqual(
          await journalOf(vault),
          readings.map((one, i) => ({ ...one, position: i + 1 })),
        );
        assert.equal(vault.journal.head, 9);
      });

      it('reads by limit, from the middle of a batch, and of one source only', async () => {
        for (let batch = 0; batch < 6; batch++) {
          const readings = Array.from({ length: 5 }, (_, i) => reading('s', batch * 5 + i));
          await vault.journal.append({ source: batch % 2 === 0 ? 'even' : 'odd', readings });
        }
        for (const limit of [1, 3, 5, 7, 100]) {
          const all = await journalOf(vault, undefined, limit);
          assert.deepEqual(
            all.map(({ value }) => value),
            Array.from({ length: 30 }, (_, i) => i),
          );
          const odd = await journalOf(vault, 'odd', limit);
          assert.deepEqual(
            odd.map(({ position }) => position),
            [6, 7, 8, 9, 10, 16, 17, 18, 19, 20, 26, 27, 28, 29, 30],
          );
        }
        const middle = await vault.journal.read(8, 2);
        assert.deepEqual(
          middle.readings.map(({ position }) => position),
          [8, 9],
        );
        assert.equal(middle.next, 10);
        assert.deepEqual(await vault.journal.read(31, 10), { readings: [], next: undefined });
        assert.deepEqual(await vault.journal.read(1, 10, 'unknown'), { readings: [], next: undefined });
      });

      it('keeps a batch that is larger than a chunk in order', async () => {
        const readings = Array.from({ length: 5_000 }, (_, i) => reading(`s${i % 7}`, i / 100));
        assert.equal(await vault.journal.append({ source: 'a', readings }), 1);
        assert.equal(await vault.journal.append({ source: 'a', readings: [] }), 5_001);
        const all = await journalOf(vault, 'a', 700);
        assert.deepEqual(
          all.map(({ value }) => value),
          readings.map(({ value }) => value),
        );
      });

      it('knows the newest receipts, oldest first', async () => {
        assert.deepEqual(await vault.journal.receipts(), []);
        await vault.journal.append({ source: 'a', readings: [], receipts: [1n, 2n ** 64n - 1n] });
        await vault.journal.append({ source: 'b', readings: [reading('x', 1)], receipts: [3n] });
        await reopen();
        assert.deepEqual(await vault.journal.receipts(), [1n, 2n ** 64n - 1n, 3n]);
        const many = Array.from({ length: RECEIPT_WINDOW }, (_, i) => BigInt(i + 10));
        await vault.journal.append({ source: 'a', readings: [], receipts: many.slice(0, 40_000) });
        await vault.journal.append({ source: 'a', readings: [], receipts: many.slice(40_000) });
        assert.deepEqual(await vault.journal.receipts(), many);
      });

      it('keeps the highest cause of each source', async () => {
        assert.equal(await vault.journal.cause('calc'), 0);
        await vault.journal.append({ source: 'calc', readings: [reading('sum', 1)], cause: 17 });
        await vault.journal.append({ source: 'calc', readings: [reading('sum', 1)], cause: 9 });
        await vault.journal.append({ source: 'other', readings: [reading('sum', 1)], cause: 3 });
        await reopen();
        assert.equal(await vault.journal.cause('calc'), 17);
        assert.equal(await vault.journal.cause('other'), 3);
      });

      it('keeps the newest rejections', async () => {
        await vault.journal.append({ source: 'a', readings: [], rejections: [rejection(1), rejection(2)] });
        await reopen();
        const kept = await vault.journal.rejections(1);
        assert.deepEqual(
          kept.map(({ head, ...rest }) => ({ ...rest, head: text(head) })),
          [{ ...rejection(2), head: 'NaN 2' }],
        );
        const many = Array.from({ length: QUARANTINE_LIMIT + 5 }, (_, i) => rejection(i + 10));
        await vault.journal.append({ source: 'a', readings: [], rejections: many });
        assert.equal((await vault.journal.rejections(QUARANTINE_LIMIT * 2)).length, QUARANTINE_LIMIT);
        assert.equal((await vault.journal.rejections(1))[0].time, QUARANTINE_LIMIT + 14);
        assert.equal((await vault.stats()).quarantined, QUARANTINE_LIMIT);
      });
    });

    describe('series', () => {
      it('keeps numbers, units and kinds, and gives none out twice', async () => {
        const a = vault.series.number('a');
        assert.equal(vault.series.number('a'), a);
        assert.equal(vault.series.name(a), 'a');
        assert.equal(vault.series.name(99), undefined);
        await vault.journal.append({ source: 's', readings: [reading('b', true), reading('a', 1, { unit: 'bar' })] });
        await vault.journal.append({ source: 's', readings: [reading('b', 'on'), reading('a', 2)] });
        await reopen();
        assert.deepEqual(
          [...vault.series.entries()],
          [
            { number: a, name: 'a', unit: 'bar', kind: 'number' },
            { number: vault.series.number('b'), name: 'b', kind: 'string' },
          ],
        );
        assert.ok(vault.series.number('c') > vault.series.number('b'));
      });

      it('writes a number with the next commit that may use it', async () => {
        const number = vault.series.number('only/in/a/checkpoint');
        await vault.commit([{ kind: 'checkpoint', consumer: 'c', series: number, position: 0, state: bytes('x') }]);
        await reopen();
        assert.equal(vault.series.name(number), 'only/in/a/checkpoint');
      });
    });

    describe('checkpoints', () => {
      it('loads what was saved, for each consumer its own', async () => {
        assert.equal(await vault.checkpoints.load('detect'), undefined);
        assert.equal(await vault.checkpoints.replayFrom(), 1);
        const s = vault.series.number('s');
        const t = vault.series.number('t');
        await vault.commit([
          { kind: 'checkpoint', consumer: 'detect', series: s, position: 5, state: bytes('old') },
          { kind: 'checkpoint', consumer: 'detect', series: t, position: 2 ** 40, state: new Uint8Array(0) },
          { kind: 'checkpoint', consumer: 'detect', series: s, position: 7, state: bytes('new') },
          { kind: 'consumer', consumer: 'detect', replayFrom: 4 },
          { kind: 'consumer', consumer: 'summarize', replayFrom: 3 },
        ]);
        await reopen();
        const saved = await vault.checkpoints.load('detect');
        assert.equal(saved?.replayFrom, 4);
        assert.deepEqual(
          saved.series.map(({ series, position, state }) => [series, position, text(state)]),
          [
            [s, 7, 'new'],
            [t, 2 ** 40, ''],
          ],
        );
        assert.deepEqual(await vault.checkpoints.load('summarize'), { replayFrom: 3, series: [] });
        assert.equal(await vault.checkpoints.replayFrom(), 3);
      });

      it('takes a checkpoint of a consumer it does not know as one that reads from the start', async () => {
        await vault.journal.append({ source: 'a', readings: [reading('s', 1)] });
        await vault.commit([{ kind: 'checkpoint', consumer: 'new', series: 1, position: 1, state: bytes('x') }]);
        assert.equal(await vault.checkpoints.replayFrom(), 1);
      });

      it('forgets a consumer, and reads from the head when there is none left', async () => {
        await vault.journal.append({ source: 'a', readings: [reading('s', 1), reading('s', 2)] });
        await vault.commit([
          { kind: 'checkpoint', consumer: 'gone', series: 1, position: 1, state: bytes('x') },
          { kind: 'consumer', consumer: 'gone', replayFrom: 1 },
        ]);
        await vault.commit([{ kind: 'forget-consumer', consumer: 'gone' }]);
        assert.equal(await vault.checkpoints.load('gone'), undefined);
        assert.equal(await vault.checkpoints.replayFrom(), 3);
      });
    });

    describe('outbox', () => {
      it('numbers the blocks of each stream from 1 without gaps', async () => {
        const results = await vault.commit([block('a/60', 'one'), block('b/60', 'eins'), block('a/60', 'two')]);
        assert.deepEqual(results, [{ number: 1 }, { number: 1 }, { number: 2 }]);
        await reopen();
        assert.deepEqual(await vault.commit([block('a/60', 'three')]), [{ number: 3 }]);
        assert.deepEqual(await vault.outbox.streams(), [
          { stream: 'a/60', lowest: 1, highest: 3, sealed: 3, count: 3, bytes: 11 },
          { stream: 'b/60', lowest: 1, highest: 1, sealed: 1, count: 1, bytes: 4 },
        ]);
      });

      it('hands out blocks newest or oldest first, around what is skipped, up to so many bytes', async () => {
        await vault.commit(Array.from({ length: 10 }, (_, i) => block('s', `body ${i}`)));
        const numbers = async (...args: Parameters<Vault['outbox']['peek']>): Promise<number[]> =>
          (await vault.outbox.peek(...args)).map(({ number }) => number);
        assert.deepEqual(await numbers('s', 'oldest', [], 13), [1, 2]);
        assert.deepEqual(await numbers('s', 'newest', [], 13), [10, 9]);
        assert.deepEqual(await numbers('s', 'oldest', [], 1), [1]);
        const skip = [
          [9, 20],
          [1, 2],
          [4, 4],
        ] as const;
        assert.deepEqual(await numbers('s', 'oldest', skip, 1e6), [3, 5, 6, 7, 8]);
        assert.deepEqual(await numbers('s', 'newest', skip, 1e6), [8, 7, 6, 5, 3]);
        assert.deepEqual(await numbers('s', 'newest', [[1, 10]], 1e6), []);
        assert.deepEqual(await numbers('unknown', 'newest', [], 1e6), []);
        const [first] = await vault.outbox.peek('s', 'oldest', [], 1);
        assert.equal(text(first.body), 'body 0');
        assert.equal(first.stream, 's');
      });

      it('drops what is acknowledged, whatever else the ranges name, and goes on numbering', async () => {
        await vault.commit(Array.from({ length: 6 }, (_, i) => block('s', `${i}`)));
        const ranges = [
          [2, 3],
          [6, 900],
        ] as const;
        await vault.commit([{ kind: 'blocks-acknowledged', stream: 's', ranges }]);
        await vault.commit([{ kind: 'blocks-acknowledged', stream: 's', ranges }]);
        await vault.commit([{ kind: 'blocks-acknowledged', stream: 'unknown', ranges }]);
        assert.deepEqual(await vault.outbox.streams(), [
          { stream: 's', lowest: 1, highest: 5, sealed: 6, count: 3, bytes: 3 },
        ]);
        await vault.commit([{ kind: 'blocks-acknowledged', stream: 's', ranges: [[1, 6]] }]);
        await reopen();
        assert.deepEqual(await vault.outbox.streams(), [
          { stream: 's', lowest: 0, highest: 0, sealed: 6, count: 0, bytes: 0 },
        ]);
        assert.deepEqual(await vault.commit([block('s', 'x')]), [{ number: 7 }]);
      });

      it('rewrites a block that waits, and only that', async () => {
        await vault.commit([block('s', 'secret'), block('s', 'other')]);
        await vault.commit([
          { kind: 'rewrite-block', stream: 's', number: 1, body: new Uint8Array(0) },
          { kind: 'rewrite-block', stream: 's', number: 9, body: bytes('never') },
        ]);
        const blocks = await vault.outbox.peek('s', 'oldest', [], 1e6);
        assert.deepEqual(
          blocks.map(({ number, body }) => [number, text(body)]),
          [
            [1, ''],
            [2, 'other'],
          ],
        );
        assert.equal((await vault.outbox.streams())[0].bytes, 5);
      });

      it('queues each revision of an alert once, in order, until it is acknowledged', async () => {
        await vault.commit([alert('aa', 1, 'opens'), alert('bb', 1, 'other')]);
        await vault.commit([alert('aa', 1, 'again'), alert('aa', 2, 'closes')]);
        assert.equal((await vault.stats()).alertsWaiting, 3);
        const waiting = async (limit: number, skip: string[] = []): Promise<string[]> =>
          (await vault.outbox.alerts(limit, new Set(skip))).map(
            ({ id, revision, body }) => `${id}/${revision} ${text(body)}`,
          );
        assert.deepEqual(await waiting(10), ['aa/1 opens', 'bb/1 other', 'aa/2 closes']);
        assert.deepEqual(await waiting(1, ['aa/1']), ['bb/1 other']);
        await vault.commit([
          {
            kind: 'alerts-acknowledged',
            alerts: [
              { id: 'aa', revision: 1 },
              { id: 'zz', revision: 1 },
            ],
          },
        ]);
        await reopen();
        assert.deepEqual(await waiting(10), ['bb/1 other', 'aa/2 closes']);
        assert.equal((await vault.stats()).alertsWaiting, 2);
      });

      it('finds alerts behind many that are skipped', async () => {
        await vault.commit(
          Array.from(
            { length: 200 },
            (_, i) => ({ kind: 'alert', id: `${i}`, revision: 1, body: bytes(`${i}`) }) as const,
          ),
        );
        const skip = new Set(Array.from({ length: 150 }, (_, i) => `${i}/1`));
        assert.deepEqual(
          (await vault.outbox.alerts(2, skip)).map(({ id }) => id),
          ['150', '151'],
        );
      });
    });

    describe('documents', () => {
      it('keeps any plain value, and forgets what is set to undefined', async () => {
        const value = { n: 1.5, list: [1, 'zwei', null, true], bytes: bytes('raw'), nested: { deep: { '': 0 } } };
        await vault.commit([
          put('b', value),
          put('a', 'first'),
          { kind: 'document', namespace: 'other', key: 'b', value: 7 },
        ]);
        await reopen();
        assert.deepEqual(await vault.documents.get('state', 'b'), value);
        assert.deepEqual(
          (await vault.documents.list('state')).map(({ key }) => key),
          ['a', 'b'],
        );
        await vault.commit([put('b', undefined)]);
        assert.equal(await vault.documents.get('state', 'b'), undefined);
        assert.equal(await vault.documents.get('other', 'b'), 7);
        assert.deepEqual(await vault.documents.list('nothing'), []);
      });

      it('applies a conditional commit only while the document is what was expected', async () => {
        await vault.commit([expecting(undefined), put('lock', { holder: 'a', n: 1 })]);
        const [refused, applied, beside] = await Promise.allSettled([
          vault.commit([put('side', 'effect'), { kind: 'block', stream: 's', body: bytes('x') }, expecting('wrong')]),
          vault.commit([expecting({ holder: 'a', n: 1 }), put('lock', { holder: 'b', n: 2 })]),
          vault.journal.append({ source: 'a', readings: [reading('x', 1)] }),
        ]);
        assert.equal(refused.status, 'rejected');
        assert.match(String(refused.reason), /document state\/lock is no longer what was expected/);
        assert.equal(applied.status, 'fulfilled');
        assert.equal(beside.status, 'fulfilled');
        assert.equal(await vault.documents.get('state', 'side'), undefined);
        assert.deepEqual(await vault.outbox.peek('s', 'oldest', [], 1e6), []);
        assert.deepEqual(await vault.documents.get('state', 'lock'), { holder: 'b', n: 2 });
      });
    });

    it('applies a commit as a whole or not at all', async () => {
      const tooLarge = { kind: 'block', stream: 's', body: new Uint8Array(2 ** 21) } as const;
      await assert.rejects(vault.commit([{ kind: 'document', namespace: 'n', key: 'k', value: 1 }, tooLarge]), {
        code: 'too-large',
      });
      assert.equal(await vault.documents.get('n', 'k'), undefined);
    });

    it('takes a change as it was when it was handed in', async () => {
      const body = bytes('before');
      const done = vault.commit([{ kind: 'block', stream: 's', body }]);
      body.set(bytes('after!'));
      await done;
      assert.equal(text((await vault.outbox.peek('s', 'oldest', [], 1e6))[0].body), 'before');
    });

    it('tells of blocks, alerts and documents after their commit, and stops when asked to', async () => {
      const notices: VaultNotice[] = [];
      const stop = vault.onChange((notice) => notices.push(notice));
      await vault.journal.append({ source: 'a', readings: [reading('x', 1)] });
      await vault.commit([
        { kind: 'block', stream: 's', body: bytes('1') },
        { kind: 'block', stream: 's', body: bytes('2') },
        { kind: 'alert', id: 'a', revision: 1, body: bytes('x') },
        { kind: 'document', namespace: 'grants', key: 'k', value: 1 },
        { kind: 'consumer', consumer: 'c', replayFrom: 1 },
      ]);
      assert.deepEqual(notices, [
        { kind: 'block', name: 's' },
        { kind: 'alert', name: '' },
        { kind: 'document', name: 'grants' },
      ]);
      stop();
      await vault.commit([{ kind: 'document', namespace: 'grants', key: 'k', value: 2 }]);
      assert.equal(notices.length, 3);
    });

    it('keeps its incarnation and counts what it holds', async () => {
      const { incarnation } = vault;
      assert.match(incarnation, /^[0-9a-f]{32}$/);
      await vault.journal.append({ source: 'a', readings: [reading('x', 1), reading('x', 2)] });
      await vault.commit([{ kind: 'block', stream: 's', body: bytes('12345') }]);
      const before = await vault.stats();
      assert.equal(before.readings, 2);
      assert.equal(before.head, 3);
      assert.equal(before.blocksWaiting, 1);
      assert.equal(before.blockBytesWaiting, 5);
      assert.equal(before.damaged, 0);
      assert.deepEqual(before.problems, []);
      assert.equal(before.commits, 2);
      assert.ok(before.bytes > 1_000 && before.commitP99Ms >= before.commitP50Ms && before.commitP50Ms > 0);
      await reopen();
      assert.equal(vault.incarnation, incarnation);
      assert.equal((await vault.stats()).incarnation, incarnation);
    });

    it('finishes what was handed in before it closes, and takes nothing afterwards', async () => {
      const last = vault.journal.append({ source: 'a', readings: [reading('x', 1)] });
      await vault.close();
      assert.equal(await last, 1);
      await assert.rejects(vault.journal.append({ source: 'a', readings: [reading('x', 2)] }), { code: 'closed' });
      await assert.rejects(vault.commit([{ kind: 'consumer', consumer: 'c', replayFrom: 1 }]), { code: 'closed' });
      await assert.rejects(vault.documents.get('a', 'b'));
      await vault.close();
      vault = await open(folder.options);
      assert.equal((await journalOf(vault)).length, 1);
    });
  });
}
