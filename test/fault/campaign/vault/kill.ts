import { setTimeout as sleep } from 'node:timers/promises';
import { check } from './check.ts';
import type { Kind } from '../kind.ts';
import { countAll } from './count-all.ts';
import { Random } from '../random.ts';
import { Site } from './site.ts';

/** SIGKILL at any time: while it opens the vault, while it works, while it closes it; one vault lives through many. */
export const kill: Kind = {
  rounds: 3_000,
  group: 12,
  async run(group) {
    const random = new Random(group.seed);
    const site = new Site(group.seed);
    let kept = false;
    try {
      const shreds = random.chance(0.5);
      let next = site.workload({ shreds });
      for (let round = 0; round < group.rounds; round++) {
        const workload = next;
        await workload.go();
        if (random.chance(0.8)) await workload.opened();
        // As far as it gets, whatever else this machine does: from the first step to some hundreds.
        const folds = random.chance(0.3) ? random.between(1, 3) : 0;
        if (random.chance(0.7)) await site.acknowledges(workload, random.below(random.pick([4, 40, 160])), folds);
        else await sleep(random.below(150));
        if (random.chance(0.15)) {
          void workload.stop().catch(() => undefined);
          await sleep(random.below(12));
        }
        await workload.kill();
        site.takeMarks();
        site.ledger.cut();
        try {
          await site.with((vault) => check(vault, site.ledger));
        } catch (error) {
          kept = true;
          group.failed(`kill ${round}`, error, site.home);
          return;
        }
        group.passed();
        if (round + 1 < group.rounds) next = site.workload({ shreds });
      }
      countAll(group, site.ledger);
    } finally {
      if (!kept) site.remove();
    }
  },
};
