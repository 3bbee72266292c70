import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Reading } from '../../nodes/src/reading/reading.ts';
import { ReadingStore, type SegmentEntry } from '../../nodes/src/vault/readings/reading-store.ts';
import { readings } from '../support/readings.ts';
import { Names, bySeries, folded, queried, segmentSeals } from '../support/segments.ts';
import { PowerCut, SimulatedDisk } from '../support/simulated-disk.ts';

describe('a power cut', () => {
  it('at any change of the disk leaves every reading to be found once, in segments or again from the journal', async function () {
    this.timeout(120_000);
    let cuts = 0;
    const batch = readings({ minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(fc.tuple(batch, fc.integer({ min: 1, max: 14 }), fc.boolean()), { minLength: 1, maxLength: 6 }),
        async (seed, rounds) => {
          let disk = new SimulatedDisk(seed);
          const seals = segmentSeals();
          const names = new Names();
          const journal: Reading[] = [];
          /** What the catalogue was told; it may be behind. */
          let known: SegmentEntry[] = [];
          for (const [more, cut, told] of rounds) {
            const { store, findings } = ReadingStore.open(disk, seals, known);
            assert.deepEqual(findings, []);
            journal.push(...names.decoded(more));
            const done = (store.entries().at(-1)?.positionTo ?? 1) - 1;
            let position = done + 1;
            for (const chunk of names.encode(journal.slice(done))) {
              store.add(chunk.bytes, position);
              position += chunk.count;
            }
            const numbers = names.names.map((_, number) => number);
            assert.deepEqual(queried(store, names, numbers), bySeries(journal, names));
            if (told) known = [...store.entries()];
            disk.cutPowerAt(cut);
            try {
              store.startFold(journal.length, journal.length + 1);
              await folded(store, 0);
              if (told) known = [...store.entries()];
            } catch (thrown) {
              if (!(thrown instanceof PowerCut)) throw thrown;
              cuts++;
            }
            disk = disk.crash();
          }
          const { store, findings } = ReadingStore.open(disk, seals, known);
          assert.deepEqual([...findings, ...store.verify()], []);
        },
      ),
      { numRuns: 300 },
    );
    assert.ok(cuts > 300, `${cuts} cuts`);
  });
});
