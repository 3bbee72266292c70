import type { Kind } from '../kind.ts';
import { Round } from './round.ts';
import { Template } from './template.ts';

/** One seed after the other: gateways, broker and cloud in this process, with a clock and a network that are made up. */
export const simulation: Kind = {
  rounds: 100_000,
  group: 500,
  async run(group) {
    const template = await Template.make();
    try {
      for (let number = 0; number < group.rounds; number++) {
        if (group.round !== undefined && group.round !== number) continue;
        const round = new Round(`${group.seed}/${number}`, template);
        try {
          const { fates, windows, nameless, evidence, frames, faults, gaveWay, caughtUpMs } = await round.run();
          // Of a round that somebody looks at alone.
          if (group.round !== undefined) console.log([round.story, ...evidence].join('\n'));
          for (const [fate, count] of Object.entries(fates)) group.count(fate, count);
          group.count('folds compared', windows);
          group.count('blocks without names', nameless);
          group.count('frames', frames);
          group.count('faults', faults);
          group.count('gateways that gave way', gaveWay);
          group.most('seconds of calm until caught up', Math.ceil(caughtUpMs / 1000));
          group.passed();
        } catch (error) {
          group.failed(`round ${number}: ${round.story}`, error, undefined, number);
        }
      }
    } finally {
      template.remove();
    }
  },
};
