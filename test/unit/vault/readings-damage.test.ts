import assert from 'node:assert/strict';
import type { Reading } from '../../../nodes/src/reading/reading.ts';
import { ReadingStore, type SegmentEntry } from '../../../nodes/src/vault/readings/reading-store.ts';
import { Names, bySeries, folded, queried, segmentSeals, type Seals } from '../../support/segments.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';

const BEGIN = Date.UTC(2026, 2, 1);
const SERIES = ['a', 'b', 'c'];

function some(from: number, count: number): Reading[] {
  return Array.from({ length: count }, (_, i) => ({
    series: SERIES[(from + i) % SERIES.length],
    time: BEGIN + (from + i) * 1000,
    value: 20 + ((from + i) % 7) / 10,
    quality: 'good',
    clock: 'gateway',
  }));
}

/** A disk with segments of `count` readings each. */
async function segments(
  sizes: readonly number[],
): Promise<{ disk: SimulatedDisk; seals: Seals; names: Names; all: Reading[]; known: SegmentEntry[] }> {
  const disk = new SimulatedDisk();
  const seals = segmentSeals();
  const names = new Names();
  const all: Reading[] = [];
  const { store } = ReadingStore.open(disk, seals, []);
  for (const [i, size] of sizes.entries()) {
    const readings = some(all.length, size);
    for (const chunk of names.encode(readings)) store.add(chunk.bytes, all.length + 1);
    all.push(...readings);
    store.startFold(i + 1, all.length + 1);
    await folded(store);
  }
  const known = [...store.entries()];
  store.close();
  return { disk, seals, names, all, known };
}

const numbers = [1, 2, 3];
const kinds = (findings: Iterable<{ kind: string; place: string }>): string[] =>
  [...findings].map(({ kind, place }) => `${kind}: ${place}`);

describe('damaged segments', () => {
  it('name one flipped bit anywhere, and cost at most the chunk that it is in', async function () {
    this.timeout(60_000);
    const { disk, seals, names, all, known } = await segments([30, 9]);
    const [entry] = known;
    const wanted = bySeries(all, names);
    const lost = new Set<number>();
    for (let byte = 0; byte < entry.bytes; byte++) {
      disk.flip(entry.file, byte * 8 + (byte % 8));
      for (const catalogue of [known, undefined]) {
        const { store } = ReadingStore.open(disk, seals, catalogue);
        const findings = [...store.verify()];
        assert.ok(findings.length > 0, `byte ${byte} is not noticed`);
        const got = queried(store, names, numbers);
        const missing = wanted.filter((reading) => !got.some((one) => one.time === reading.time));
        assert.deepEqual(
          got,
          wanted.filter((reading) => !missing.includes(reading)),
          `byte ${byte}`,
        );
        assert.ok(missing.length === 0 || missing.length === 10, `byte ${byte} costs ${missing.length} readings`);
        assert.equal(store.counts.damaged, missing.length / 10);
        lost.add(missing.length);
        if (missing.length > 0) {
          const number = names.number(missing[0].series);
          const times = [missing[0].time, missing.at(-1)!.time];
          const named = findings.find(({ place }) => place === `segment 1, series ${number}`);
          assert.deepEqual(named?.times, times, `byte ${byte}: ${JSON.stringify(findings)}`);
        }
        store.close();
      }
      disk.flip(entry.file, byte * 8 + (byte % 8));
    }
    assert.deepEqual(
      [...lost].toSorted((a, b) => a - b),
      [0, 10],
    );
    const { store, findings } = ReadingStore.open(disk, seals, known);
    assert.deepEqual([findings, ...store.verify()], [[]]);
  });

  it('of any length are read as far as they open, and never throw', async function () {
    this.timeout(60_000);
    const { disk, seals, names, known } = await segments([30, 9]);
    const [entry, second] = known;
    const whole = disk.contents(entry.file);
    for (let length = 0; length < whole.length; length++) {
      disk.put(entry.file, whole.subarray(0, length));
      for (const catalogue of [known, undefined]) {
        const { store, findings } = ReadingStore.open(disk, seals, catalogue);
        assert.ok(findings.length > 0);
        assert.ok([...store.verify()].length > 0 || store.entries().length === 1);
        const got = queried(store, names, numbers);
        assert.ok(got.length >= second.readings && got.length <= 39);
        store.close();
      }
    }
  });

  it('name a segment that was removed', async () => {
    const { disk, seals, names, all, known } = await segments([6, 6, 6]);
    disk.remove(known[1].file);
    for (const catalogue of [known, undefined]) {
      const { store, findings } = ReadingStore.open(disk, seals, catalogue);
      assert.deepEqual(kinds(findings), [`removed: segment${catalogue ? ' 2' : 's 2 to 2'}`]);
      assert.deepEqual(findings[0].positions, [7, 13]);
      assert.deepEqual(queried(store, names, numbers), bySeries([...all.slice(0, 6), ...all.slice(12)], names));
      store.close();
    }
  });

  it('name a segment that vanishes while it is asked for', async () => {
    const { disk, seals, names, all, known } = await segments([6, 6, 6]);
    const { store } = ReadingStore.open(disk, seals, known);
    const page = store.query(numbers, -Infinity, Infinity, undefined, 3);
    assert.deepEqual(page.next, { series: 0, segment: 2, skip: 1 });
    disk.remove(known[1].file);
    store.close();
    const again = ReadingStore.open(disk, seals, known).store;
    disk.remove(known[0].file);
    const broken: number[] = [];
    again.onBroken = ({ number }) => broken.push(number);
    const rest = again.query([1], -Infinity, Infinity, page.next, 100);
    assert.deepEqual(
      rest.parts.flatMap(({ times }) => [...times]),
      bySeries(all.slice(12), names)
        .slice(0, 2)
        .map(({ time }) => time),
    );
    assert.deepEqual(broken, []);
    assert.deepEqual(queried(again, names, [1]).length, 2);
    assert.deepEqual(broken, [1]);
    assert.equal(again.counts.damaged, 1);
    assert.deepEqual(kinds(again.verify()), ['removed: segment 1']);
  });

  it('name segments that changed places, and read them as what they are', async () => {
    const { disk, seals, names, all, known } = await segments([6, 12, 6]);
    const [first, second] = known.map(({ file }) => disk.contents(file));
    disk.put(known[0].file, second);
    disk.put(known[1].file, first);
    for (const catalogue of [known, undefined]) {
      const { store, findings } = ReadingStore.open(disk, seals, catalogue);
      assert.deepEqual(kinds(findings), [
        'reordered: segment file 00000001.segment',
        'reordered: segment file 00000002.segment',
      ]);
      assert.deepEqual(queried(store, names, numbers), bySeries(all, names));
      store.close();
    }
  });

  it('name a copy of a segment under another number, and do not read it twice', async () => {
    const { disk, seals, names, all, known } = await segments([6, 12, 6]);
    disk.put('00000004.segment', disk.contents(known[1].file));
    for (const catalogue of [known, undefined]) {
      const { store, findings } = ReadingStore.open(disk, seals, catalogue);
      assert.deepEqual(kinds(findings), ['duplicated: segment file 00000004.segment']);
      assert.deepEqual(queried(store, names, numbers), bySeries(all, names));
      store.close();
    }
  });

  it('name a segment that another one of its number replaced', async () => {
    const { disk, seals, names, known } = await segments([6, 12, 6]);
    // What a copy of this vault wrote under the same keys.
    const copy = disk.copy();
    const { store: other } = ReadingStore.open(copy, seals, known.slice(0, 1));
    copy.remove(known[1].file);
    copy.remove(known[2].file);
    other.close();
    const { store: writer } = ReadingStore.open(copy, seals, known.slice(0, 1));
    for (const chunk of names.encode(some(6, 12))) writer.add(chunk.bytes, 7);
    writer.startFold(2, 19);
    const foreign = await folded(writer);
    disk.put(known[1].file, copy.contents(foreign!.file));
    for (const [catalogue, segment] of [
      [known, 2],
      [undefined, 3],
    ] as const) {
      const { store } = ReadingStore.open(disk, seals, catalogue);
      assert.deepEqual(kinds(store.verify()), [`rolled-back: segment ${segment}`]);
      store.close();
    }
  });

  it('that the disk does not give are named and stay in the list, and the store opens', async () => {
    const { disk, seals, names, all, known } = await segments([6, 6]);
    disk.fail('read', 3, 'io');
    const { store, findings } = ReadingStore.open(disk, seals, known);
    assert.deepEqual(kinds(findings), ['altered: segment file 00000001.segment']);
    assert.deepEqual(store.entries(), known);
    assert.deepEqual(queried(store, names, numbers), bySeries(all, names));
  });

  it('whose files cannot be opened for a moment cost nothing: what needed them fails, and is whole afterwards', async () => {
    const { disk, seals, names, all, known } = await segments([6, 6]);
    for (const catalogue of [known, undefined]) {
      disk.fail('open', 2, 'io');
      assert.throws(() => ReadingStore.open(disk, seals, catalogue), { code: 'io' });
    }
    const { store, findings } = ReadingStore.open(disk, seals, known);
    const broken: string[] = [];
    store.onBroken = ({ number }, { code }) => void broken.push(`${number}: ${code}`);
    disk.fail('open', 2, 'io');
    assert.throws(() => queried(store, names, numbers), { code: 'io' });
    disk.fail('open', 2, 'io');
    assert.throws(() => [...store.verify()], { code: 'io' });
    assert.deepEqual([findings, broken, store.counts.damaged], [[], [], 0]);
    assert.deepEqual(queried(store, names, numbers), bySeries(all, names));
    assert.deepEqual([...store.verify()], []);
    disk.remove(known[0].file);
    store.close();
    assert.deepEqual(queried(store, names, numbers).length, 6, 'one that is gone is passed over');
    assert.deepEqual([broken, store.counts.damaged], [['1: missing'], 1]);
  });

  it('of another vault do not open', async () => {
    const { disk, known } = await segments([6]);
    const { store, findings } = ReadingStore.open(disk, segmentSeals(), undefined);
    assert.deepEqual(kinds(findings), [`altered: segment file ${known[0].file}`]);
    assert.deepEqual(store.entries(), []);
  });
});
