import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '@tidegate/nodes/node';
import {
  namesBefore,
  openVault,
  readSeriesRecords,
  SERIES_RECORDS,
  SeriesRegistry,
  type Vault,
} from '@tidegate/nodes/vault';
import { temporaryDirectory } from '../../support/gateway.ts';

describe('what people say of series, in a vault', () => {
  let home: { path: string; remove: () => void };
  let vault: Vault;
  let registry: SeriesRegistry;

  beforeEach(async () => {
    home = temporaryDirectory('series');
    const key = path.join(home.path, 'key');
    writeFileSync(key, 'ab'.repeat(32), { mode: 0o600 });
    vault = await openVault({ directory: path.join(home.path, 'vault'), key: { file: key } });
    registry = new SeriesRegistry(vault, systemClock);
    const reading = { time: 1_760_000_000_000, quality: 'good', clock: 'device' } as const;
    await vault.journal.append({
      source: 'test',
      readings: [
        { ...reading, series: 'a', value: 1, unit: 'bar' },
        { ...reading, series: 'door', value: true },
      ],
    });
  });
  afterEach(async () => {
    await vault.close();
    home.remove();
  });

  it('is listed beside what the readings say, also of a name that has not come yet', async () => {
    await registry.replace('a', ' no. 7 ');
    await registry.rename('a', 'b');
    const list = await registry.list();
    assert.deepEqual(
      list.map(({ series, kind, unit, continues, sensor }) => [series, kind, unit, continues, sensor?.id]),
      [
        ['a', 'number', 'bar', undefined, 'no. 7'],
        ['b', undefined, undefined, 'a', undefined],
        ['door', 'boolean', undefined, undefined, undefined],
      ],
    );
    assert.equal(list[0].retired?.position, vault.journal.head);
  });

  it('follows a series through its names, and ends where a renaming is taken back', async () => {
    await registry.rename('a', 'b');
    await registry.retire('b');
    await registry.separate('b');
    await registry.rename('a', 'b');
    assert.equal((await readSeriesRecords(vault)).get('b')?.retired, undefined, 'what has a new name goes on');
    await registry.rename('b', 'c');
    assert.deepEqual(namesBefore(await readSeriesRecords(vault), 'c'), ['b', 'a']);
    await registry.separate('b');
    assert.deepEqual(namesBefore(await readSeriesRecords(vault), 'c'), ['b']);
    assert.equal((await readSeriesRecords(vault)).get('a'), undefined, 'a is as if nothing had been said');
  });

  it('is refused where it makes no sense, with a reason', async () => {
    await registry.rename('a', 'b');
    const wrong: [what: () => Promise<void>, code: string, message: RegExp][] = [
      [() => registry.retire('nobody'), 'unknown-series', /no series "nobody"/],
      [() => registry.replace('a', '  '), 'bad-sensor', /1 to 128 characters/],
      [() => registry.replace('a', 'x'.repeat(129)), 'bad-sensor', /this one by 129/],
      [() => registry.rename('a', 'a'), 'bad-rename', /from itself/],
      [() => registry.rename('b', 'a'), 'bad-rename', /from itself/],
      [() => registry.rename('a', 'c'), 'bad-rename', /"a" is called "b" already/],
      [() => registry.rename('door', 'b'), 'bad-rename', /"b" goes on from "a" already/],
      [() => registry.rename('door', 'a'), 'bad-rename', /"door" is a boolean and "a" a number/],
      [() => registry.rename('door', ''), 'bad-series', /1 to 1024/],
      [() => registry.separate('a'), 'bad-rename', /from no other series/],
    ];
    for (const [act, code, message] of wrong) await assert.rejects(act, { code, message });
    assert.equal((await readSeriesRecords(vault)).size, 2, 'nothing of it was written');
  });

  it('is passed over where somebody else wrote what it cannot be', async () => {
    await vault.commit([{ kind: 'document', namespace: SERIES_RECORDS, key: 'a', value: { continues: 7 } }]);
    assert.equal((await readSeriesRecords(vault)).size, 0);
    await vault.commit(
      ['x', 'y'].map((key) => ({
        kind: 'document',
        namespace: SERIES_RECORDS,
        key,
        value: { continues: key === 'x' ? 'y' : 'x' },
      })),
    );
    assert.deepEqual(namesBefore(await readSeriesRecords(vault), 'x'), ['y'], 'a circle has an end');
  });
});
