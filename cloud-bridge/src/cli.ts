import { Command, CommanderError } from 'commander';

import { addEnroll } from './commands/enroll.ts';
import { addGateways } from './commands/gateways.ts';
import { addRun } from './commands/run.ts';
import { versionOf } from './main.ts';

const USAGE = 2;
/** Errors that a different command line would have avoided. */
const USAGE_CODES = new Set(['needs-consent', 'bad-broker', 'bad-name', 'bad-certificate']);

/** Runs a command line; the exit code: 0 done, 1 failed, 2 not understood. */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = new Command('tidegate-cloud')
    .description('The Tidegate cloud: merges the summaries of many gateways and shows them on a page.')
    .version(versionOf())
    .exitOverride();
  addRun(program);
  addEnroll(program);
  addGateways(program);
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    // What the system refuses (a directory that may not be written, say) has a code too; anything else is our mistake.
    if (!(error instanceof Error && 'code' in error)) throw error;
    process.stderr.write(`tidegate-cloud: ${error.message}\n`);
    return USAGE_CODES.has(String(error.code)) ? USAGE : 1;
  }
}
