import { TideError } from '@tidegate/nodes/node';
import { CommanderError } from 'commander';

import { tidegate } from './cli.ts';

/** Codes of errors that lie in what the user typed or configured, not in what happened. */
const USAGE = new Set(['usage', 'configuration']);

try {
  await tidegate().parseAsync(process.argv);
} catch (error) {
  // Ends explicitly: parts that had been started may have left a timer behind (Node-RED does).
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
  else if (error instanceof TideError) {
    for (const line of error.message.split('\n')) console.error(`tidegate: ${line}`);
    process.exit(USAGE.has(error.code) ? 2 : 1);
  } else {
    console.error('tidegate:', error);
    process.exit(1);
  }
}
