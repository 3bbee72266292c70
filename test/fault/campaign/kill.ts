import { setTimeout as sleep } from 'node:timers/promises';
import { check } from './check.ts';
import type { Kind } from './kind.ts';
import { Random } from './random.ts';
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
      let next = site.workload();
      for (let round = 0; round < group.rounds; round++) {
        const workload = next;
        await workload.go();
        if (random.chance(0.8)) await workload.opened();
        await sleep(random.below(150));
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
        if (round + 1 < group.rounds) next = site.workload();
      }
      group.count('acknowledged', site.ledger.acknowledged);
    } finally {
      if (!kept) site.remove();
    }
  },
};
