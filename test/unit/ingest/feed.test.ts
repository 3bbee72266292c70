import assert from 'node:assert/strict';
import type { Reading } from '@tidegate/nodes/reading';
import { deliveriesOf, openLocalVault } from '@tidegate/nodes/vault';
import { systemClock } from '../../../nodes/src/node/clock.ts';
import { Feed } from '../../../nodes/src/ingest/feed.ts';
import { Slices } from '../../../nodes/src/ingest/slices.ts';
import { eventually } from '../../support/eventually.ts';
import { VaultFolder, reading } from '../../support/vault.ts';

const report = (error: unknown): never => assert.fail(String(error));

describe('a feed', () => {
  it('goes on where the journal ends with readings that were shredded', async () => {
    const folder = new VaultFolder();
    const vault = await openLocalVault(folder.options);
    const given: Reading[] = [];
    const sink = { readings: (batch: Reading[]) => void given.push(...batch), rejections: () => undefined };
    const feed = new Feed(sink, {
      vault,
      source: 'door',
      deliveries: deliveriesOf(vault),
      undelivered: 1,
      slices: new Slices(systemClock, report),
      report,
    });
    try {
      await vault.commit([{ kind: 'consumer', consumer: 'detect:1', replayFrom: 1 }]);
      const old = [1, 2, 3].map((value) => reading('a', value, { time: Date.UTC(2025, 0, 1) + value }));
      await vault.journal.append({ source: 'door', readings: old });
      await vault.keys.shred('2025-02');
      const started = feed.start();
      // Announced after the reading has begun: the feed knows that there is something below this position.
      feed.committed(
        old.map((one, i) => ({ ...one, position: i + 1 })),
        [],
      );
      await started;
      assert.deepEqual([feed.undelivered, feed.cursor, given], [undefined, 4, []]);
      const fresh = reading('a', 4);
      await vault.journal.append({ source: 'door', readings: [fresh] });
      feed.committed([{ ...fresh, position: 4 }], []);
      await eventually('the next one is given', () => given.length === 1);
      assert.equal(given[0].value, 4);
    } finally {
      feed.detach();
      await vault.close();
      folder.remove();
    }
  });
});
