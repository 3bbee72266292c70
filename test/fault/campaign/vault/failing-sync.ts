import { setTimeout as sleep } from 'node:timers/promises';
import { ERRNO, OPERATION } from '../../../support/shim.ts';
import { check } from './check.ts';
import { ENTRY } from './disk-log.ts';
import type { Kind } from '../kind.ts';
import { cutAll, record } from './powercut.ts';
import { Random } from '../random.ts';
import { Site } from './site.ts';

/**
 * A sync or a write that fails with EIO, once or from then on. What was under way is unknown then: the process closes
 * the vault and ends. What the failed sync should have made durable may be lost although a later one succeeds; the power
 * is cut after it, and every acknowledgement has to hold all the same.
 */
export const fsync: Kind = {
  rounds: 300,
  group: 10,
  async run(group) {
    const random = new Random(group.seed);
    for (let done = 0; done < group.rounds; done += 10) {
      const site = new Site(`${group.seed}/${done}`);
      let failures = 1;
      try {
        const warm = site.workload({ steps: random.between(0, 20) });
        await warm.go();
        await warm.end();
        site.takeMarks();
        await site.with((vault) => check(vault, site.ledger));
        const recording = await record(site, random, site.ledger.seed, {
          meanwhile: async (workload) => {
            await site.acknowledges(workload, random.below(60), random.below(3));
            const what = random.chance(0.7) ? OPERATION.sync : OPERATION.write;
            workload.shim!.fail(what, ERRNO.EIO, random.between(1, 6), random.chance(0.6) ? 1 : undefined);
            await sleep(150);
          },
        });
        const failed = recording.entries.findIndex(({ entry, result }) => entry === ENTRY.syncEnd && result !== 0);
        group.count(failed === -1 ? 'write failed' : 'sync failed');
        const rounds = Math.min(10, group.rounds - done);
        failures = await cutAll(site, recording, rounds, random, {
          group,
          garbage: false,
          from: Math.max(0, failed),
          failedSync: true,
        });
      } catch (error) {
        group.failed(`fsync ${done}`, error, site.home);
      } finally {
        if (failures === 0) site.remove();
      }
    }
  },
};
