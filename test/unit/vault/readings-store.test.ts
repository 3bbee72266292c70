import assert from 'node:assert/strict';
import type { Reading } from '../../../nodes/src/reading/reading.ts';
import { monthKey, monthOfTime } from '../../../nodes/src/vault/keys/key-numbers.ts';
import { ReadingStore } from '../../../nodes/src/vault/readings/reading-store.ts';
import { Names, bySeries, folded, queried, segmentSeals } from '../../support/segments.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';

const HOUR = 3_600_000;
const MARCH = Date.UTC(2026, 2, 1);
const APRIL = Date.UTC(2026, 3, 1);

const reading = (series: string, time: number, value: Reading['value'] = 1): Reading => ({
  series,
  time,
  value,
  quality: 'good',
  clock: 'gateway',
});

function opened() {
  const disk = new SimulatedDisk();
  const seals = segmentSeals();
  const names = new Names();
  const { store } = ReadingStore.open(disk, seals, []);
  let position = 1;
  const all: Reading[] = [];
  return {
    disk,
    seals,
    names,
    store,
    all,
    add: (readings: readonly Reading[]): void => {
      for (const chunk of names.encode(readings)) {
        store.add(chunk.bytes, position);
        position += chunk.count;
      }
      all.push(...readings);
    },
    begin: (): void => store.startFold(1, position),
    everything: (): Reading[] =>
      queried(
        store,
        names,
        names.names.map((_, number) => number),
      ),
  };
}

describe('ReadingStore', () => {
  it('takes part of a batch', () => {
    const { store, names } = opened();
    const [chunk] = names.encode([1, 2, 3, 4, 5].map((value) => reading('a', MARCH + value, value)));
    store.add(chunk.bytes, 100, 1, 3);
    assert.deepEqual(
      queried(store, names, [1]).map(({ value }) => value),
      [2, 3, 4],
    );
    assert.equal(store.open.positionFrom, 101);
    store.add(chunk.bytes, 200, 5);
    assert.equal(store.open.readings, 3);
  });

  it('says when a fold is due: full, good chunks after an hour, anyway after a day', () => {
    const { store, seals, add } = opened();
    const begin = seals.clock.wall;
    assert.equal(store.foldDue(begin + 100 * HOUR), false);
    add(Array.from({ length: 511 }, (_, i) => reading('a', MARCH + i)));
    assert.equal(store.foldDue(begin), false);
    assert.equal(store.foldDue(begin + HOUR), false);
    assert.equal(store.foldDue(begin + 24 * HOUR - 1), false);
    assert.equal(store.foldDue(begin + 24 * HOUR), true);
    seals.clock.wall += 5 * HOUR;
    add([reading('a', MARCH)]);
    assert.equal(store.foldDue(begin + HOUR - 1), false);
    assert.equal(store.foldDue(begin + HOUR), true);
    while (store.open.bytes < 8 * 1024 * 1024) {
      assert.equal(store.foldDue(begin), false);
      add(Array.from({ length: 2048 }, (_, i) => reading(`series ${i}`, MARCH + i, Math.sqrt(i))));
    }
    assert.equal(store.foldDue(begin), true);
  });

  it('refuses a second fold, and one of nothing', async () => {
    const { store, add, begin } = opened();
    assert.throws(begin, { code: 'empty' });
    add([reading('a', MARCH)]);
    begin();
    assert.throws(begin, { code: 'busy' });
    assert.equal(store.folding, true);
    await folded(store);
    assert.equal(store.folding, false);
    assert.throws(begin, { code: 'empty' });
  });

  it('cuts chunks where the month of their readings changes', async () => {
    const { store, seals, add, begin, all, names, everything } = opened();
    const times = [APRIL - 2, APRIL - 1, APRIL, APRIL - 3, APRIL + 1, -5, 1e300, APRIL + 2];
    add(times.map((time, i) => reading('a', time, i)));
    begin();
    const entry = await folded(store);
    const march = monthKey(monthOfTime(MARCH)!, 0);
    assert.deepEqual([...seals.keys.given], [march, march + 1, monthKey(0, 0)]);
    assert.deepEqual(entry?.months, [monthKey(0, 0), march, march + 1]);
    assert.deepEqual(everything(), bySeries(all, names));
  });

  it('loses what a shredded month sealed and nothing else, and does not call that damage', async () => {
    const { disk, store, seals, add, begin, names, everything, all } = opened();
    const inMarch = [reading('a', MARCH, 1), reading('b', MARCH + 1, 2)];
    add(inMarch);
    begin();
    await folded(store);
    const both = [reading('a', APRIL - 1, 3), reading('a', APRIL, 4), reading('b', APRIL + 1, 5)];
    add(both);
    begin();
    await folded(store);
    const march = monthKey(monthOfTime(MARCH)!, 0);
    seals.keys.destroyed.add(march);
    assert.deepEqual(everything(), bySeries(both.slice(1), names));
    assert.deepEqual([store.counts.damaged, store.counts.shredded], [0, 3]);
    assert.deepEqual([...store.verify()], []);
    const { removed, changed } = store.dropMonths(new Set([march]));
    assert.deepEqual(removed, [1]);
    assert.deepEqual(
      changed.map(({ number, months }) => [number, months]),
      [[2, [march + 1]]],
    );
    assert.deepEqual(disk.names(), ['00000002.segment']);
    assert.deepEqual(everything(), bySeries(both.slice(1), names));
    assert.equal(all.length, 5);
    add([reading('a', APRIL)]);
    begin();
    assert.equal((await folded(store))?.number, 3);
    assert.deepEqual([...store.verify()], []);
  });

  it('goes on counting segments where all of them were removed', async () => {
    const { disk, seals, store, add, begin } = opened();
    add([reading('a', MARCH)]);
    begin();
    const entry = await folded(store);
    store.remove(1);
    assert.deepEqual(disk.names(), []);
    store.close();
    const again = ReadingStore.open(disk, seals, [], entry).store;
    again.add(new Names().encode([reading('a', MARCH)])[0].bytes, 2);
    again.startFold(2, 3);
    const second = await folded(again);
    assert.deepEqual([second?.number, second?.previousTag], [2, entry?.tag]);
  });

  it('keeps everything when the disk fails at any call of a fold, and folds it the next time', async () => {
    for (const call of ['create', 'write', 'sync', 'rename', 'sync-directory'] as const) {
      for (const code of ['disk-full', 'io'] as const) {
        const { disk, store, names, add, begin, all, everything } = opened();
        add([reading('a', MARCH), reading('b', MARCH)]);
        disk.fail(call, 1, code);
        const failed = async (): Promise<void> => {
          begin();
          await folded(store);
        };
        await assert.rejects(failed, { code }, call);
        if (call !== 'create') assert.throws(() => store.foldStep(5), { code });
        store.abandonFold();
        disk.heal();
        assert.deepEqual(disk.names(), []);
        add([reading('a', MARCH + 1)]);
        assert.deepEqual(everything(), bySeries(all, names));
        begin();
        const entry = await folded(store);
        assert.deepEqual([entry?.number, entry?.readings, entry?.positionFrom, entry?.positionTo], [1, 3, 1, 4]);
        assert.deepEqual(everything(), bySeries(all, names));
        assert.deepEqual([...store.verify()], []);
        store.close();
      }
    }
  });

  it('can give a fold up while its sync is under way', async () => {
    const { disk, store, add, begin, all, names, everything } = opened();
    add([reading('a', MARCH)]);
    begin();
    assert.equal(store.foldStep(5), undefined);
    store.abandonFold();
    begin();
    await folded(store);
    assert.deepEqual(disk.names(), ['00000001.segment']);
    assert.deepEqual(everything(), bySeries(all, names));
  });

  it('holds no name, unit or word that can be read', async () => {
    const { disk, store, add, begin } = opened();
    add([{ ...reading('secret-series', MARCH, 'secret-word'), unit: 'secret-unit' }]);
    begin();
    const entry = await folded(store);
    assert.equal(Buffer.from(disk.contents(entry!.file)).includes('secret'), false);
  });

  it('writes a large segment in slices and pieces, and gives long series page by page', async function () {
    this.timeout(20_000);
    const { disk, store, add, begin, all, names, everything } = opened();
    for (let batch = 0; batch < 20; batch++)
      add(
        Array.from({ length: 2_000 }, (_, i) =>
          reading(i % 10 === 0 ? 'rare' : 'long', MARCH + (batch * 2_000 + i) * 500, Math.sin(batch * 2_000 + i)),
        ),
      );
    const wanted = bySeries(all, names);
    assert.deepEqual(everything(), wanted);
    begin();
    const before = disk.calls.write;
    let steps = 0;
    let entry;
    for (; entry === undefined; steps++) {
      entry = store.foldStep(0);
      const written = disk.names().map((name) => disk.contents(name).length)[0];
      await new Promise((resolve) => setImmediate(resolve));
      if (steps === 2) assert.deepEqual(everything(), wanted, `${written} bytes written`);
    }
    assert.ok(entry.bytes > 250_000 && steps >= 6, `${entry.bytes} bytes in ${steps} steps`);
    const writes = disk.calls.write - before;
    assert.ok(writes > 1 && writes <= Math.ceil(entry.bytes / 131_072), `${writes} writes`);
    assert.deepEqual(everything(), wanted);
    assert.deepEqual([...store.verify()], []);
  });

  it('selects by time, also where times go back', async () => {
    const { store, add, begin, all, names } = opened();
    add(Array.from({ length: 500 }, (_, i) => reading(`s${i % 3}`, MARCH + ((i * 7919) % 500) * 1000, i)));
    begin();
    await folded(store);
    add(Array.from({ length: 500 }, (_, i) => reading(`s${i % 3}`, MARCH + ((i * 7919) % 700) * 1000, i)));
    const [from, to] = [MARCH + 100_000, MARCH + 300_000];
    for (const most of [1, 10, 8_192])
      assert.deepEqual(
        queried(store, names, [1, 2, 3], { from, to, most }),
        bySeries(
          all.filter(({ time }) => time >= from && time < to),
          names,
        ),
      );
  });
});
