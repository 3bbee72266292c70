import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { addReading, emptySummary, encodeSummary, type Summary } from '@tidegate/nodes/summary';
import type { Claim, ClaimVerdict } from '@tidegate/nodes/sync';
import { ACCOUNT_COLUMNS, type AccountColumn } from '@tidegate/nodes/vault';
import Database from 'better-sqlite3';

import { openSqliteStore } from '../../../cloud-bridge/src/store/sqlite-store.ts';
import type { MergeRecord, Store } from '../../../cloud-bridge/src/store/store.ts';

const NOW = 1_800_000_000_000;
const STREAM = 'operations/60';
const KEYS = { sign: new Uint8Array(32).fill(1), agree: new Uint8Array(32).fill(2) };
const MINUTE = 60_000;

describe('what a gateway claims to have delivered', () => {
  let directory: string;
  let store: Store;
  let gatewayId: number;
  let incarnationId: number;
  let frame = 0;

  beforeEach(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-claims-'));
    store = openSqliteStore(path.join(directory, 'cloud.db'));
    const token = { id: 'ab'.repeat(8), tenant: 'main', gateway: 'g', verifier: new Uint8Array(32), createdAt: NOW };
    await store.addToken(token);
    await store.enrol(token.id, KEYS, NOW);
    gatewayId = (await store.gateway('main', 'g'))!.id;
    incarnationId = await store.incarnation(gatewayId, new Uint8Array(16).fill(7), NOW);
    await store.hello({ gatewayId, incarnationId, number: 1, software: 't', streams: {}, now: NOW });
  });
  afterEach(async () => {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Block `number` holds, of each series, a minute with so many readings. */
  const deliver = (number: number, readings: Record<number, number>): Promise<unknown> => {
    const parts = Object.entries(readings).map(([series, count]): MergeRecord => {
      const summary = minuteOf(count);
      return {
        kind: 'part',
        gatewayId,
        incarnationId,
        stream: STREAM,
        series: Number(series),
        windowStart: number * MINUTE,
        part: number,
        summary: encodeSummary(summary),
        readings: summary.count + summary.bad,
      };
    });
    const digest = new Uint8Array(32).fill(number);
    return store.merge([...parts, { kind: 'receipt', gatewayId, incarnationId, stream: STREAM, number, digest }], NOW);
  };
  const compare = (
    series: Record<number, Partial<Record<AccountColumn, number>>>,
    change: Partial<Claim> = {},
  ): Promise<ClaimVerdict> => {
    const rows = Object.entries(series).map(([number, counts]) => [
      Number(number),
      ...ACCOUNT_COLUMNS.map((column) => counts[column] ?? 0),
    ]);
    const claim = {
      id: 5,
      stream: STREAM,
      sealed: 9,
      waiting: [],
      from: 0,
      to: 1000,
      series: rows,
      unsaid: [],
      ...change,
    };
    return store.compare({ incarnationId, claim, frame: ++frame, now: NOW + frame });
  };
  const byHand = (sql: string): void => {
    const db = new Database(path.join(directory, 'cloud.db'));
    db.exec(sql);
    db.close();
  };

  it('is equal to what is here, however often a block comes', async () => {
    await deliver(1, { 1: 60, 2: 59, 300: 7 });
    await deliver(2, { 1: 60 });
    await deliver(2, { 1: 60 });
    const claims = { 1: { delivered: 120 }, 2: { delivered: 59 }, 300: { delivered: 7 }, 4: { withheld: 61 } };
    const { result, differing } = await compare(claims);
    assert.deepEqual([result, differing], ['equal', 0]);
    const [kept] = await store.claims(gatewayId);
    assert.deepEqual(
      kept.series.map(({ held, agrees }) => [held, agrees]),
      [
        [120, true],
        [59, true],
        [0, true],
        [7, true],
      ],
    );
  });

  it('differs where the gateway counts otherwise or says nothing, and the series are named', async () => {
    await deliver(1, { 1: 60, 2: 59, 3: 5, 4: 6 });
    const found = await compare({ 1: { delivered: 61 }, 2: { delivered: 58 }, 4: { delivered: 6 } });
    assert.deepEqual([found.result, found.differing], ['differs', 3]);
    assert.deepEqual(found.series, [
      [1, 60],
      [2, 59],
      [3, 5],
    ]);
    const elsewhere = await compare({}, { stream: 'operations/3600' });
    assert.equal(elsewhere.result, 'equal');
    const lost = await compare({ 1: { delivered: 1 } }, { stream: 'operations/3600' });
    assert.deepEqual(lost.series, [[1, 0]], 'of a stream that never came');
  });

  it('finds what somebody deleted or changed in the database, also what was put back', async () => {
    await deliver(1, { 1: 60, 2: 59 });
    await deliver(2, { 1: 60 });
    const claims = { 1: { delivered: 120 }, 2: { delivered: 59 } };
    assert.equal((await compare(claims)).result, 'equal');
    byHand(`DELETE FROM parts WHERE series = 1 AND part = 2`);
    assert.deepEqual((await compare(claims)).series, [[1, 60]]);
    assert.deepEqual((await compare(claims)).series, [[1, 60]], 'not only once');
    await deliver(2, { 1: 60 });
    assert.equal((await compare(claims)).result, 'equal');
    byHand(`UPDATE parts SET summary = (SELECT summary FROM parts WHERE series = 2) WHERE series = 1 AND part = 1`);
    assert.deepEqual((await compare(claims)).series, [[1, 119]]);
  });

  it('waits while blocks are here that the gateway does not count yet', async () => {
    await deliver(1, { 1: 60 });
    await deliver(3, { 1: 60 });
    assert.equal((await compare({ 1: { delivered: 60 } }, { waiting: [[3, 4]] })).result, 'later');
    assert.equal((await compare({ 1: { delivered: 60 } }, { sealed: 2 })).result, 'later');
    assert.deepEqual(await store.claims(gatewayId), [], 'and nothing is kept of it');
    assert.equal((await compare({ 1: { delivered: 120 } }, { waiting: [[2, 2]] })).result, 'equal');
  });

  it('may be less than what is here where blocks arrived before they were dropped, and no other way', async () => {
    await deliver(1, { 1: 60 });
    await deliver(2, { 1: 60 });
    assert.equal((await compare({ 1: { delivered: 60, quota: 60 } })).result, 'differs', 'no gap was declared');
    const incarnation = await store.incarnation(gatewayId, new Uint8Array(16).fill(7), NOW);
    const gap = {
      id: 1,
      last: 1,
      writer: '07'.repeat(16),
      at: NOW,
      cause: 'quota' as const,
      what: 'blocks' as const,
      count: 1,
      timeFrom: 0,
      timeTo: MINUTE,
      stream: STREAM,
      blocks: [[2, 2]] as [number, number][],
    };
    await store.merge([{ kind: 'gap', gatewayId, incarnationId: incarnation, gap }], NOW);
    assert.equal((await compare({ 1: { delivered: 60, quota: 60 } })).result, 'equal');
    assert.equal((await compare({ 1: { delivered: 60, quota: 59 } })).result, 'differs', 'more than was dropped');
    assert.equal((await compare({ 1: { delivered: 60, revoked: 60 } })).result, 'equal');
    assert.equal((await compare({ 1: { delivered: 60, poison: 60 } })).result, 'differs', 'poison is not here');
  });

  it('says nothing of series that no grant lets it speak of', async () => {
    await deliver(1, { 1: 60, 2: 59 });
    const { result } = await compare({ 1: { delivered: 60 } }, { unsaid: [2] });
    assert.equal(result, 'equal');
    const [{ series, unsaid }] = await store.claims(gatewayId);
    assert.deepEqual([series.length, unsaid], [1, 1]);
  });

  it('that was played again is not kept over a newer one', async () => {
    await deliver(1, { 1: 60 });
    const claim = { id: 5, stream: STREAM, sealed: 1, waiting: [], from: 0, to: 99, unsaid: [] };
    await store.compare({ incarnationId, claim: { ...claim, series: [row(60)] }, frame: 10, now: NOW + 10 });
    await store.compare({ incarnationId, claim: { ...claim, series: [row(9)] }, frame: 9, now: NOW + 11 });
    const [{ checkedAt, series }] = await store.claims(gatewayId);
    assert.deepEqual([checkedAt, series[0].agrees], [NOW + 10, true]);
  });

  it('counts nothing of a transaction that was rolled back', async () => {
    const much: MergeRecord[] = Array.from({ length: 300 }, (_, i) => ({
      kind: 'receipt',
      gatewayId,
      incarnationId,
      stream: `s${i}/60`,
      number: 1,
      digest: new Uint8Array(32),
    }));
    const part: MergeRecord = {
      kind: 'part',
      gatewayId,
      incarnationId,
      stream: STREAM,
      series: 1,
      windowStart: 0,
      part: 1,
      summary: encodeSummary(minuteOf(3)),
      readings: 3,
    };
    await assert.rejects(store.merge([part, ...much], NOW), { code: 'bad-record' });
    await deliver(2, { 1: 60 });
    assert.equal((await compare({ 1: { delivered: 60 } })).result, 'equal');
  });
});

const row = (delivered: number): number[] => [1, delivered, 0, delivered, 0, 0, 0, 0, 0, 0, 0];

function minuteOf(readings: number): Summary {
  let summary = emptySummary();
  for (let i = 0; i < readings; i++)
    summary = addReading(summary, {
      series: 's',
      time: i,
      value: i,
      quality: i === 0 ? 'bad' : 'good',
      clock: 'device',
      position: i + 1,
    });
  return summary;
}
