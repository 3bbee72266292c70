import assert from 'node:assert/strict';
import { hash, randomBytes } from 'node:crypto';

import { decodeAlert, encodeAlert, type Alert } from '@tidegate/nodes/detect';
import { addReading, emptySummary, encodeSummary, foldSummaries, type Summary } from '@tidegate/nodes/summary';
import { makeIdentity, publicKeys, type Stamp } from '@tidegate/nodes/sync';

import type { HeldTicket, TicketState } from '../../cloud-bridge/src/store/store.ts';
import { EMPTY_DIGEST } from '../../cloud-bridge/src/store/store.ts';
import type {
  AlertRecord,
  CatalogueRecord,
  GapRecord,
  MergeRecord,
  PartRecord,
  ReceiptRecord,
  Store,
} from '../../cloud-bridge/src/store/store.ts';

const STREAM = 'operations/60';
const NOW = 1_700_000_000_000;

export interface StoreUnderTest {
  /** A new, empty store. */
  open: () => Promise<Store>;
  /** The same store by another connection, as another process would have it. */
  again: () => Promise<Store>;
  dispose: () => Promise<void>;
}

const ticket = (number: number): HeldTicket => ({ ticket: [number, randomBytes(16)], session: 2 ** 47 + number });

const held = (of: Store, id: number): Promise<{ held: TicketState | undefined }> =>
  of.exchangeTicket(id, (found): { held: TicketState | undefined; state?: TicketState } => ({ held: found }));

/** What every store of the cloud has to do, whatever lies beneath it. */
export function describeStore(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`cloud store on ${name}`, () => {
    let under: StoreUnderTest;
    let store: Store;
    let gatewayId: number;
    let incarnationId: number;

    beforeEach(async () => {
      under = await make();
      store = await under.open();
      gatewayId = await enrolled(store, 'site');
      incarnationId = await store.incarnation(gatewayId, Uint8Array.of(1), NOW);
    });

    afterEach(async () => {
      await store.close();
      await under.dispose();
    });

    it('keeps the tickets of each incarnation apart, and lets two processes judge one after the other', async () => {
      const state: TicketState = { shown: ticket(1), given: [ticket(3), ticket(4)], passed: [ticket(2)] };
      assert.deepEqual(await held(store, incarnationId), { held: undefined });
      await store.exchangeTicket(incarnationId, () => ({ state }));
      const again = await under.again();
      assert.deepEqual((await held(again, incarnationId)).held, state);
      const other = await store.incarnation(gatewayId, Uint8Array.of(2), NOW);
      assert.deepEqual(await held(store, other), { held: undefined });
      await again.exchangeTicket(incarnationId, () => ({ state: { given: [ticket(5)], passed: [] } }));
      assert.equal((await held(store, incarnationId)).held?.given[0].ticket[0], 5);
      await again.close();
    });

    const part = (change: Partial<PartRecord> & { value?: number } = {}): PartRecord =>
      partRecord({ gatewayId, incarnationId, ...change });
    const receipt = (number: number, stream = 'operations/60'): ReceiptRecord => ({
      kind: 'receipt',
      gatewayId,
      incarnationId,
      stream,
      number,
      digest: Uint8Array.of(number),
    });
    const line = (block: number, series: string, number = 1): CatalogueRecord => ({
      kind: 'catalogue',
      gatewayId,
      incarnationId,
      block,
      entry: { number, name: series, kind: 'number', unit: '°C' },
    });
    const said = (block: number, number: number, name: string, more: object): CatalogueRecord => {
      const told = line(block, name, number);
      return { ...told, entry: { ...told.entry, ...more } };
    };
    const alert = (change: Partial<Alert> = {}): AlertRecord => alertRecord(gatewayId, change);
    const gapOf = (first: number, last: number, change: Partial<GapRecord['gap']> = {}): GapRecord => ({
      kind: 'gap',
      gatewayId,
      incarnationId,
      gap: {
        id: first,
        last,
        writer: '01'.repeat(16),
        at: NOW,
        cause: 'quota',
        what: 'blocks',
        count: 3,
        timeFrom: NOW - 60_000,
        timeTo: NOW,
        stream: STREAM,
        blocks: [[4, 6]],
        coarsest: 900,
        ...change,
      },
    });
    const gapFacts = async (): Promise<unknown[]> =>
      (await store.gaps(gatewayId, 99)).map(({ count, blocks, blocksHere }) => [count, blocks, blocksHere]);
    const counts = async (): Promise<number[]> =>
      (await store.windows({ ...everything(gatewayId), series: 'pump/flow' })).windows.map(
        ({ summaries }) => summaries.length,
      );

    const settled = async (...numbers: number[]): Promise<unknown[]> =>
      [...(await store.settled(incarnationId, STREAM, numbers))].map(([number, { as, digest }]) => [
        number,
        as,
        Buffer.from(digest).toString('hex'),
      ]);

    describe('blocks whose numbers are taken', () => {
      it('are known by their digest', async () => {
        await store.merge([receipt(3), { ...receipt(4), kind: 'poison', reason: 'x', body: new Uint8Array() }], NOW);
        assert.deepEqual(await settled(2, 3, 4), [
          [3, 'receipt', '03'],
          [4, 'poison', '04'],
        ]);
        const other = await store.incarnation(gatewayId, Uint8Array.of(2), NOW);
        assert.equal((await store.settled(other, STREAM, [3])).size, 0, 'of another incarnation nothing is known');
      });

      it('lack what is not there byte for byte', async () => {
        await store.merge([part({ part: 3 }), line(3, 'pump/flow'), receipt(3)], NOW);
        assert.equal(await store.lacks([part({ part: 3 }), line(3, 'pump/flow')]), false);
        assert.equal(await store.lacks([line(2, 'an older line')]), false, 'a later block has named the series');
        assert.equal(await store.lacks([part({ part: 3, value: 99 })]), true);
        assert.equal(await store.lacks([part({ part: 3, stream: 'never-seen/60' })]), true);
        assert.equal(await store.lacks([line(3, 'another')]), true);
      });

      it('are noted as forks, each once, and what was there stays', async () => {
        const fork: MergeRecord = { ...receipt(3), kind: 'fork', digest: Uint8Array.of(9), body: Uint8Array.of(7) };
        await store.merge([receipt(3)], NOW);
        assert.equal((await store.merge([fork, fork], NOW)).forks, 2);
        assert.equal((await store.gateways())[0].forks, 1);
        const [{ kind, key }] = await store.forks(gatewayId);
        assert.deepEqual([kind, key.replace(/incarnation \d+ /, '')], ['block', `${STREAM} block 3`]);
        assert.deepEqual(await settled(3), [[3, 'receipt', '03']]);
      });

      it('say nothing when they were empty: the first body that comes is theirs', async () => {
        const empty = Buffer.from(EMPTY_DIGEST).toString('hex');
        await store.merge([{ ...receipt(3), digest: EMPTY_DIGEST }], NOW);
        assert.deepEqual(await settled(3), [[3, 'receipt', empty]]);
        await store.merge([receipt(3)], NOW);
        assert.deepEqual(await settled(3), [[3, 'receipt', '03']]);
        await store.merge([{ ...receipt(3), digest: Uint8Array.of(8) }], NOW);
        assert.deepEqual(await settled(3), [[3, 'receipt', '03']]);
      });
    });

    describe('enrolment', () => {
      it('takes a token once, and again only from the same keys', async () => {
        const keys = publicKeys(makeIdentity());
        const others = publicKeys(makeIdentity());
        await store.addToken(tokenFor('north', '00'));
        assert.equal(await store.enrol('00', keys, NOW), 'enrolled');
        assert.equal(await store.enrol('00', keys, NOW), 'enrolled');
        assert.equal(await store.enrol('00', others, NOW), 'used');
        assert.deepEqual((await store.gateway('default', 'north'))?.keys, keys);
      });

      it('does not let an old token bring old keys back', async () => {
        const old = publicKeys(makeIdentity());
        const fresh = publicKeys(makeIdentity());
        await store.addToken(tokenFor('north', '00'));
        await store.addToken(tokenFor('north', '01'));
        await store.enrol('00', old, NOW);
        await store.enrol('01', fresh, NOW);
        assert.equal(await store.enrol('00', old, NOW), 'used');
        assert.deepEqual((await store.gateway('default', 'north'))?.keys, fresh);
      });

      it('keeps gateways of one name in two tenants apart', async () => {
        const theirs = await enrolled(store, 'site', 'other');
        assert.notEqual(theirs, gatewayId);
        assert.equal((await store.gatewayById(theirs))?.tenant, 'other');
      });
    });

    describe('parts', () => {
      it('are joined by union: repetition and order change nothing', async () => {
        const records = [part({ part: 1 }), part({ part: 2, value: 5 }), line(1, 'pump/flow')];
        assert.deepEqual(await store.merge(records, NOW), { inserted: 3, duplicates: 0, forks: 0 });
        assert.deepEqual(await store.merge(records.toReversed(), NOW), { inserted: 0, duplicates: 3, forks: 0 });
        assert.deepEqual(await counts(), [2]);
        assert.equal((await store.gateways())[0].parts, 2);
      });

      it('with the same key and other bytes are a fork: the first stays and the other is set aside', async () => {
        await store.merge([part({ value: 1 }), line(1, 'pump/flow')], NOW);
        assert.equal((await store.merge([part({ value: 2 })], NOW)).forks, 1);
        assert.equal((await store.merge([part({ value: 2 })], NOW)).forks, 1);
        const { windows } = await store.windows({ ...everything(gatewayId), series: 'pump/flow' });
        assert.deepEqual(
          windows[0].summaries.map((bytes) => Buffer.from(bytes)),
          [Buffer.from(part({ value: 1 }).summary)],
        );
        assert.equal((await store.gateways())[0].forks, 1, 'the same fork is one, however often it comes');
        assert.match((await store.forks(gatewayId))[0].key, /^operations\/60 .*window 0 part 1$/);
      });

      it('of two purposes with one block number are different parts', async () => {
        await store.merge([part(), part({ stream: 'research/60', value: 7 }), line(1, 'pump/flow')], NOW);
        assert.deepEqual(await counts(), [1]);
      });

      it('of a series that lives in several incarnations are found under its name', async () => {
        const second = await store.incarnation(gatewayId, Uint8Array.of(2), NOW);
        await store.merge(
          [
            part(),
            line(1, 'pump/flow'),
            part({ incarnationId: second, series: 9, windowStart: 0, value: 3 }),
            part({ incarnationId: second, series: 9, windowStart: 60_000, value: 4 }),
            { ...line(1, 'pump/flow', 9), incarnationId: second },
          ],
          NOW,
        );
        assert.deepEqual(await counts(), [2, 1]);
        const [series, ...rest] = await store.series(gatewayId, 'operations');
        assert.deepEqual(rest, []);
        assert.deepEqual(series, {
          name: 'pump/flow',
          kind: 'number',
          unit: '°C',
          sensor: null,
          sensorSince: null,
          retired: null,
          earlier: [],
          resolutions: [60],
          firstWindow: 0,
          lastWindow: 60_000,
          last: { time: 60_001, value: 4 },
        });
      });

      it('of a series that was renamed are found under each later name, and under the old one those of its time', async () => {
        await store.merge(
          [
            part({ windowStart: 0, value: 1 }),
            part({ windowStart: 60_000, value: 2 }),
            part({ series: 2, windowStart: 60_000, value: 3, part: 2 }),
            part({ series: 3, windowStart: 120_000, value: 4 }),
            said(1, 1, 'old', { retired: 60_000.5 }),
            said(1, 2, 'new', { continues: 1, sensor: 'no. 7', since: 60_000 }),
            said(1, 3, 'newest', { continues: 2 }),
          ],
          NOW,
        );
        const partsOf = async (series: string): Promise<[start: number, parts: number][]> => {
          const { windows } = await store.windows({ ...everything(gatewayId), series });
          return windows.map(({ windowStart, summaries }) => [windowStart, summaries.length]);
        };
        const whole: [number, number][] = [
          [0, 1],
          [60_000, 2],
          [120_000, 1],
        ];
        assert.deepEqual(await partsOf('newest'), whole);
        assert.deepEqual(await partsOf('new'), whole.slice(0, 2));
        assert.deepEqual(await partsOf('old'), [
          [0, 1],
          [60_000, 1],
        ]);
        const told = (await store.series(gatewayId, 'operations')).map(
          ({ name, earlier, firstWindow, lastWindow, sensor, sensorSince, retired }) =>
            [name, earlier, firstWindow, lastWindow, sensor, sensorSince, retired] as const,
        );
        assert.deepEqual(told, [
          ['new', ['old'], 0, 60_000, 'no. 7', 60_000, null],
          ['newest', ['new', 'old'], 0, 120_000, null, null, null],
          ['old', [], 0, 60_000, null, null, 60_001],
        ]);
        // Taken back by a later line; a circle, which only a mistake can make, has an end.
        await store.merge([said(2, 2, 'new', {}), said(2, 1, 'old', { continues: 3 })], NOW);
        assert.deepEqual(
          await partsOf('newest'),
          whole.slice(1).map(([start]) => [start, 1]),
        );
        await store.merge([said(3, 2, 'new', { continues: 1 })], NOW);
        assert.deepEqual(await partsOf('newest'), whole);
      });

      it('are handed out in pages of windows', async () => {
        const starts = [0, 60_000, 120_000, 180_000];
        await store.merge([...starts.map((windowStart) => part({ windowStart })), line(1, 'pump/flow')], NOW);
        const query = { ...everything(gatewayId), series: 'pump/flow', limit: 3 };
        const first = await store.windows(query);
        assert.deepEqual(
          first.windows.map(({ windowStart }) => windowStart),
          starts.slice(0, 3),
        );
        assert.equal(first.next, 180_000);
        const second = await store.windows({ ...query, from: first.next });
        assert.deepEqual(
          second.windows.map(({ windowStart }) => windowStart),
          [180_000],
        );
        assert.equal(second.next, null);
        const between = await store.windows({ ...query, from: 60_000, to: 120_000 });
        assert.deepEqual([between.windows.length, between.next], [1, null]);
      });

      it('stand in for finer ones, which are not all there, and are never added to them', async () => {
        const [one, two, three] = [1, 2, 3].map((value, i) => summaryOf(value, i * 60_000));
        const hours = {
          ...part({ stream: 'operations/3600' }),
          summary: encodeSummary(foldSummaries([one, two, three])),
        };
        const second = await store.incarnation(gatewayId, Uint8Array.of(2), NOW);
        const minutes = [0, 60_000, 120_000].map((windowStart, i) => ({
          ...part({ windowStart }),
          ...fieldsOf(i + 1),
        }));
        const query = { ...everything(gatewayId), series: 'pump/flow' };
        const shown = async (): Promise<unknown[]> =>
          (await store.windows(query)).windows.map(({ windowStart, resolution, whole, summaries }) => [
            windowStart,
            resolution,
            whole,
            summaries.length,
          ]);
        await store.merge([hours, ...minutes.slice(0, 2), line(1, 'pump/flow')], NOW);
        assert.deepEqual(await shown(), [[0, 3600, true, 1]]);
        const facts = await store.series(gatewayId, 'operations');
        assert.deepEqual([facts[0].resolutions, facts[0].firstWindow], [[60, 3600], 0]);
        // The third came from another incarnation of the gateway.
        const own = { incarnationId: second, series: 9 };
        await store.merge(
          [
            { ...minutes[2], ...own },
            { ...line(1, 'pump/flow', 9), incarnationId: second },
          ],
          NOW,
        );
        assert.deepEqual(await shown(), [
          [0, 60, true, 1],
          [60_000, 60, true, 1],
          [120_000, 60, true, 1],
        ]);
      });

      it('hold strings, and windows in which only bad readings came', async () => {
        const text = part({ series: 1, ...fieldsOf('open') });
        const nothing = part({ series: 1, windowStart: 60_000, ...fieldsOf(undefined) });
        await store.merge([text, nothing, line(1, 'door')], NOW);
        const [door] = await store.series(gatewayId, 'operations');
        assert.deepEqual([door.last, door.lastWindow], [null, 60_000]);
        await store.merge([part({ windowStart: 120_000, ...fieldsOf('shut') })], NOW);
        assert.deepEqual((await store.series(gatewayId, 'operations'))[0].last, { time: 1, value: 'shut' });
      });
    });

    it('lets the line of the highest block name a series, in whatever order they come', async () => {
      await store.merge([line(5, 'new name')], NOW);
      await store.merge([line(4, 'old name')], NOW);
      assert.deepEqual(
        (await store.series(gatewayId, 'operations')).map(({ name }) => name),
        ['new name'],
      );
      assert.equal(await store.hasSeries(gatewayId, 'old name'), false);
    });

    it('takes a transaction whole or not at all', async () => {
      const hopeless = { ...part({ part: 2 }), windowStart: 0.5 };
      await assert.rejects(store.merge([part(), receipt(1), hopeless, line(1, 'pump/flow')], NOW), {
        code: 'bad-record',
      });
      assert.deepEqual(await store.held(incarnationId, { 'operations/60': { lowest: 1, sealed: 9 } }), {
        'operations/60': [],
      });
      assert.equal((await store.gateways())[0].parts, 0);
      // What the failed transaction had entered by the way must not be remembered.
      await store.merge([part({ stream: 'research/60' }), receipt(1, 'research/60')], NOW);
      await store.merge([part(), receipt(1), line(1, 'pump/flow')], NOW);
      assert.deepEqual(await counts(), [1]);
    });

    describe('receipts', () => {
      it('are given back as ranges', async () => {
        await store.merge(
          [5, 1, 2, 3, 9, 8, 77].map((number) => receipt(number)),
          NOW,
        );
        const held = await store.held(incarnationId, {
          'operations/60': { lowest: 2, sealed: 20 },
          'operations/900': { lowest: 1, sealed: 3 },
        });
        assert.deepEqual(held, {
          'operations/60': [
            [2, 3],
            [5, 5],
            [8, 9],
            // Beyond what the gateway ever sealed: a newer copy of it was here.
            [77, 77],
          ],
          'operations/900': [],
        });
      });

      it('are given back in part when they have very many holes, the lowest and the highest among them', async () => {
        await store.merge(
          Array.from({ length: 5000 }, (_, i) => receipt(2 * i + 1)),
          NOW,
        );
        const { [STREAM]: ranges } = await store.held(incarnationId, { [STREAM]: { lowest: 1, sealed: 20_000 } });
        assert.deepEqual(
          [ranges.length, ranges[0], ranges[4094], ranges[4095]],
          [4096, [1, 1], [8189, 8189], [9999, 9999]],
        );
      });

      it('and poison count down what a HELLO claimed', async () => {
        const missing = async (): Promise<number> => (await store.gateways())[0].blocksMissing;
        await store.merge([receipt(1), receipt(2)], NOW);
        await store.hello(helloOf({ 'operations/60': { lowest: 2, sealed: 5 } }));
        assert.equal(await missing(), 3);
        await store.merge([receipt(3), receipt(3), receipt(77)], NOW);
        assert.equal(await missing(), 2);
        await store.merge([poisonOf(4), poisonOf(4)], NOW);
        assert.equal(await missing(), 1);
        assert.deepEqual(
          (await store.poison(gatewayId)).map(({ stream, number, reason }) => [stream, number, reason]),
          [['operations/60', 4, 'unreadable']],
        );
        await store.merge([receipt(4)], NOW);
        assert.equal(await missing(), 1, 'a block that was poison and is read now was counted as arrived before');
        assert.deepEqual(await store.poison(gatewayId), []);
      });

      it('are known to another connection', async () => {
        await store.merge([receipt(1)], NOW);
        const other = await under.again();
        try {
          const held = await other.held(incarnationId, { 'operations/60': { lowest: 1, sealed: 1 } });
          assert.deepEqual(held['operations/60'], [[1, 1]]);
        } finally {
          await other.close();
        }
      });
    });

    it('takes a HELLO only when it is newer than the last of its incarnation', async () => {
      assert.equal(await store.hello(helloOf({ 'operations/60': { lowest: 1, sealed: 9 } })), true);
      assert.equal(await store.hello({ ...helloOf({}), software: 'replayed' }), false);
      const [facts] = await store.gateways();
      assert.deepEqual([facts.software, facts.blocksMissing], ['test 1', 9]);
      assert.deepEqual(await store.currentIncarnation(gatewayId), Buffer.of(1));
    });

    describe('declared gaps', () => {
      it('are kept once, and shown with what had arrived all the same', async () => {
        await store.merge([receipt(5)], NOW);
        assert.equal((await store.merge([gapOf(1, 1)], NOW)).inserted, 1);
        assert.equal((await store.merge([gapOf(1, 1)], NOW + 1)).duplicates, 1);
        assert.deepEqual(await gapFacts(), [[3, [[4, 6]], 1]]);
        assert.equal((await store.gateways())[0].gaps, 1);
      });

      it('give way to a wider one of their kind, in whatever order they come', async () => {
        const records = [
          gapOf(1, 1),
          gapOf(1, 4, { count: 9, blocks: [[4, 12]] }),
          gapOf(4, 4, { blocks: [[10, 12]] }),
          gapOf(2, 2, { cause: 'damaged', blocks: [[20, 20]], count: 1 }),
        ];
        const seen = new Set<string>();
        for (const order of [records, records.toReversed(), [records[1], records[0], records[3], records[2]]]) {
          const id = await enrolled(store, `order-${seen.size}-${records.indexOf(order[0])}`);
          const own = await store.incarnation(id, Uint8Array.of(1), NOW);
          for (const record of [...order, ...order])
            await store.merge([{ ...record, gatewayId: id, incarnationId: own }], NOW);
          seen.add(JSON.stringify((await store.gaps(id, 99)).toSorted((a, b) => a.cause.localeCompare(b.cause))));
        }
        assert.equal(seen.size, 1);
        const [damaged, quota] = JSON.parse([...seen][0]) as { count: number; blocks: unknown }[];
        assert.deepEqual([damaged.count, quota.count, quota.blocks], [1, 9, [[4, 12]]]);
      });

      it('account for their blocks as a range: none of them is missing, before and after the HELLO', async () => {
        const missing = async (): Promise<number> => (await store.gateways())[0].blocksMissing;
        await store.hello(helloOf({ [STREAM]: { lowest: 1, sealed: 10 } }));
        assert.equal(await missing(), 10);
        await store.merge([receipt(5), gapOf(1, 1)], NOW);
        assert.equal(await missing(), 7, 'blocks 4 and 6 will not come, 5 is here');
        await store.merge([receipt(4)], NOW);
        assert.equal(await missing(), 7, 'one that was on its way when it was dropped is not counted twice');
        await store.merge([receipt(7)], NOW);
        assert.equal(await missing(), 6);
        await store.hello({ ...helloOf({ [STREAM]: { lowest: 6, sealed: 12 } }), number: 2 });
        assert.equal(await missing(), 5, 'of 6 to 12, 7 is here and 6 will not come');
        assert.deepEqual((await gapFacts())[0], [3, [[4, 6]], 2]);
      });

      it('say their series by name, or not at all', async () => {
        const { stream: _stream, blocks: _blocks, count: _count, ...readings } = gapOf(1, 1, { what: 'readings' }).gap;
        await store.merge([line(1, 'pump/flow'), { ...gapOf(1, 1), gap: { ...readings, series: [1, 9] } }], NOW);
        await store.merge([{ ...gapOf(2, 2), gap: { ...readings, id: 2, last: 2, at: NOW + 1 } }], NOW);
        assert.deepEqual(
          (await store.gaps(gatewayId, 99)).map(({ series, count }) => [series, count]),
          [
            [null, null],
            [['pump/flow', 'series 9'], null],
          ],
        );
        assert.equal((await store.gaps(gatewayId, 1)).length, 1);
      });
    });

    it('refuses more streams than an incarnation can have', async () => {
      const many = Array.from({ length: 300 }, (_, i) => receipt(1, `operations-${i}/60`));
      await assert.rejects(store.merge(many, NOW), { code: 'bad-record' });
    });

    describe('alerts', () => {
      it('show their newest revision, whatever order they come in, and keep their history', async () => {
        const opened = alert();
        const closed = alert({ revision: 2, state: 'closed', closed: 9 });
        await store.merge([closed], NOW);
        await store.merge([opened], NOW + 1);
        const [shown, ...rest] = await store.alerts({ limit: 9 });
        assert.deepEqual(rest, []);
        assert.deepEqual(shown.alert, decodeAlert(closed.body));
        assert.deepEqual([shown.gateway, shown.committedAt, shown.cursor], ['site', NOW, 1]);
        assert.equal((await store.gateways())[0].openAlerts, 0);
      });

      it('come after a cursor in order of commit, and newest first without one', async () => {
        const ids = ['a', 'b', 'c'].map((digit) => digit.repeat(32));
        for (const [i, id] of ids.entries()) await store.merge([alert({ id, time: NOW - i })], NOW + i);
        const listed = async (query: { since?: number; limit: number }): Promise<string[]> =>
          (await store.alerts(query)).map((facts) => facts.alert.id[0]);
        assert.deepEqual(await listed({ limit: 9 }), ['a', 'b', 'c']);
        assert.deepEqual(await listed({ since: 1, limit: 9 }), ['b', 'c']);
        await store.merge([alert({ id: ids[0], revision: 2 })], NOW);
        assert.deepEqual(await listed({ since: 2, limit: 9 }), ['c', 'a']);
        assert.equal(await store.alertCursor(), 4);
        assert.equal((await store.gateways())[0].openAlerts, 3);
      });

      it('sent again count once; with other bytes they are a fork', async () => {
        assert.equal((await store.merge([alert()], NOW)).inserted, 1);
        assert.equal((await store.merge([alert()], NOW)).duplicates, 1);
        assert.equal((await store.merge([alert({ text: 'something else' })], NOW)).forks, 1);
        assert.equal((await store.alerts({ limit: 9 }))[0].alert.text, 'it moved');
      });
    });

    describe('documents', () => {
      it('are replaced by later ones, and are applied when the gateway has exactly that version', async () => {
        const first = await store.putDocument(gatewayId, 'limit', { high: 5 }, stampAfter);
        assert.equal(await store.markApplied(gatewayId, { limit: first.stamp }), true);
        assert.equal(await store.markApplied(gatewayId, { limit: first.stamp }), false);
        assert.deepEqual(await store.documents(gatewayId), [{ ...first, applied: true }]);
        const second = await store.putDocument(gatewayId, 'limit', null, stampAfter);
        assert.deepEqual(await store.documents(gatewayId), [second]);
        await store.markApplied(gatewayId, { limit: first.stamp });
        assert.equal((await store.documents(gatewayId))[0].applied, false, 'an older version is in force there');
      });

      it('are stamped after whatever stamp was seen, also at another connection', async () => {
        await store.markApplied(gatewayId, { elsewhere: { wall: NOW + 5000, counter: 7, writer: 'site' } });
        const other = await under.again();
        try {
          const { stamp } = await other.putDocument(gatewayId, 'limit', 1, stampAfter);
          assert.deepEqual(stamp, { wall: NOW + 5000, counter: 8, writer: 'cloud' });
        } finally {
          await other.close();
        }
      });
    });

    it('keeps settings', async () => {
      assert.equal(await store.setting('broker-url'), undefined);
      await store.setSetting('broker-url', 'mqtt://one');
      await store.setSetting('broker-url', 'mqtt://two');
      assert.equal(await store.setting('broker-url'), 'mqtt://two');
    });

    const poisonOf = (number: number): MergeRecord => ({
      ...receipt(number),
      kind: 'poison',
      reason: 'unreadable',
      body: Uint8Array.of(1),
    });
    const helloOf = (streams: Record<string, { lowest: number; sealed: number }>): Parameters<Store['hello']>[0] => ({
      gatewayId,
      incarnationId,
      number: 1,
      software: 'test 1',
      streams,
      now: NOW,
    });
  });
}

const stampAfter = (newest: Stamp | undefined): Stamp => ({
  wall: Math.max(NOW, newest?.wall ?? 0),
  counter: newest === undefined ? 0 : newest.counter + 1,
  writer: 'cloud',
});

function everything(gatewayId: number) {
  return { gatewayId, purpose: 'operations', resolution: 60, from: -8.64e15, to: 8.64e15, limit: 100 };
}

const tokenFor = (gateway: string, id: string, tenant = 'default') => ({
  id,
  tenant,
  gateway,
  verifier: Uint8Array.of(1),
  createdAt: NOW,
});

async function enrolled(store: Store, name: string, tenant = 'default'): Promise<number> {
  const id = randomBytes(8).toString('hex');
  await store.addToken(tokenFor(name, id, tenant));
  await store.enrol(id, publicKeys(makeIdentity()), NOW);
  return (await store.gateway(tenant, name))!.id;
}

/** The fields of a part that come from its one reading at 1 ms after its window's start; undefined makes it a bad one. */
function fieldsOf(value: number | string | undefined, windowStart = 0) {
  return { summary: encodeSummary(summaryOf(value, windowStart)) };
}

function summaryOf(value: number | string | undefined, windowStart: number): Summary {
  return addReading(emptySummary(), {
    series: 'any',
    time: windowStart + 1,
    value: value ?? 0,
    quality: value === undefined ? 'bad' : 'good',
    clock: 'device',
    position: 1,
  });
}

function partRecord({
  value = 1.25,
  ...change
}: Partial<PartRecord> & { gatewayId: number; incarnationId: number; value?: number }): PartRecord {
  const windowStart = change.windowStart ?? 0;
  return {
    kind: 'part',
    stream: STREAM,
    series: 1,
    windowStart,
    part: 1,
    readings: 1,
    ...fieldsOf(value, windowStart),
    ...change,
  };
}

function alertRecord(gatewayId: number, change: Partial<Alert>): AlertRecord {
  const alert: Alert = {
    id: 'a'.repeat(32),
    revision: 1,
    series: 'pump/flow',
    time: NOW,
    state: 'open',
    severity: 'warning',
    kind: 'limits',
    value: 7,
    expected: { high: 5 },
    text: 'it moved',
    ...change,
  };
  const body = encodeAlert(alert);
  return { kind: 'alert', gatewayId, alert, body, digest: hash('sha256', body, 'buffer') };
}
