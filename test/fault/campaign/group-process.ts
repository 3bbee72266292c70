/** Runs one group of rounds, told as JSON, and reports over the channel of whoever started it. */
import type { GroupMessage, GroupTask } from './campaign.ts';
import { CAMPAIGNS } from './kinds.ts';

const task = JSON.parse(process.argv[2]) as GroupTask;
const send = (message: GroupMessage): void => void process.send!(message);
const words = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

// Whoever started this is gone: what it started in turn must not stay.
process.on('disconnect', () => process.exit(1));
process.on('SIGTERM', () => process.exit(1));

try {
  await CAMPAIGNS[task.campaign][task.kind].run({
    seed: task.seed,
    rounds: task.rounds ?? Infinity,
    round: task.round,
    part: task.part,
    passed: (by = 1) => send({ word: 'passed', by }),
    count: (of, by = 1) => send({ word: 'count', of, by }),
    most: (of, value) => send({ word: 'most', of, value }),
    failed: (round, error, kept, number) => send({ word: 'failed', round, error: words(error), kept, number }),
  });
} catch (error) {
  send({ word: 'failed', round: 'the whole group', error: words(error), kept: undefined, number: undefined });
}
process.send!({ word: 'done' } satisfies GroupMessage, () => process.exit(0));
