import { setTimeout as sleep } from 'node:timers/promises';
import { check } from './check.ts';
import type { Kind } from '../kind.ts';
import { countAll } from './count-all.ts';
import { Random } from '../random.ts';
import { Site } from './site.ts';

const YEAR = 365.25 * 86_400_000;

/** The machine's clock stands at 1970 or ten years ahead, at the start or all of a sudden; the order of readings stays. */
export const clock: Kind = {
  rounds: 200,
  group: 8,
  async run(group) {
    const random = new Random(group.seed);
    const site = new Site(group.seed);
    let kept = false;
    const offsets = (): number => random.pick([0, 60_000 - Date.now(), 10 * YEAR, -3_600_000, -YEAR]);
    try {
      for (let round = 0; round < group.rounds; round++) {
        const workload = site.workload({ shim: {} });
        workload.shim!.set('clockMs', offsets());
        await workload.go();
        await workload.opened();
        for (let jumps = random.between(1, 3); jumps > 0; jumps--) {
          await sleep(50 + random.below(100));
          workload.shim!.set('clockMs', offsets());
        }
        await sleep(60);
        if (random.chance(0.5)) await workload.stop();
        else await workload.kill();
        site.takeMarks();
        site.ledger.cut();
        try {
          if (site.ledger.count('unknown') + site.ledger.count('not-opened') > 0)
            throw new Error('the clock stopped it');
          await site.with((vault) => check(vault, site.ledger));
        } catch (error) {
          kept = true;
          group.failed(`clock ${round}`, error, site.home);
          return;
        }
        group.passed();
      }
      countAll(group, site.ledger);
    } finally {
      if (!kept) site.remove();
    }
  },
};
