import { TideError } from '@tidegate/nodes/node';
import type { Kind } from '../kind.ts';
import { Random } from '../random.ts';
import { mutated } from './mutations.ts';
import { TARGETS, type Target } from './fuzz-targets.ts';

/** CPU time that one input may cost, milliseconds, and memory, bytes: bounds, not measures of speed. */
const MOST_MS = 2_000;
const MOST_BYTES = 384 << 20;

/** Gives every decoder that meets the network or a file from outside what nobody would send it. */
export const fuzz: Kind = {
  rounds: 2_000_000,
  group: 40_000,
  async run(group) {
    const random = new Random(group.seed);
    const targets = TARGETS.map((make) => make(random));
    let passed = 0;
    const counts = new Map<string, number>();
    for (let number = 0; number < group.rounds; number++) {
      const target = targets[number % targets.length];
      const input = mutated(random, target.valid);
      try {
        const outcome = feed(target, input);
        const word = `${target.name}: ${outcome}`;
        counts.set(word, (counts.get(word) ?? 0) + 1);
        passed++;
      } catch (error) {
        const shown = Buffer.from(input).subarray(0, 2_000).toString('base64');
        group.failed(`${target.name}, input ${number}, base64 ${shown}`, error);
      }
    }
    for (const [word, count] of counts) group.count(word, count);
    group.passed(passed);
  },
};

/** How the decoder answered; throws when it did not answer as it says that it does. */
export function feed({ name, decode, again }: Target, input: Uint8Array): 'refused' | 'read' {
  const memory = usedMemory();
  const started = process.cpuUsage();
  let value: unknown;
  let refused = false;
  try {
    value = decode(input);
  } catch (error) {
    if (!(error instanceof TideError)) throw new Error(`${name} fails with ${String(error)}`, { cause: error });
    refused = true;
  }
  const { user, system } = process.cpuUsage(started);
  const grown = usedMemory() - memory;
  if ((user + system) / 1000 > MOST_MS) throw new Error(`${name} takes ${(user + system) / 1000} ms`);
  if (grown > MOST_BYTES) throw new Error(`${name} takes ${grown} bytes for ${input.length}`);
  if (refused) return 'refused';
  again?.(value, input);
  return 'read';
}

function usedMemory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
