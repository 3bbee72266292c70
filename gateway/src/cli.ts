import { createRequire } from 'node:module';

import { Command } from 'commander';

import { detectCommand } from './commands/detect.ts';
import { replayCommand } from './commands/replay.ts';

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

/** The command line of the gateway. */
export function tidegate(): Command {
  const program = new Command('tidegate')
    .description('An offline-first IoT gateway for Node-RED: durable, encrypted, mergeable.')
    .version(version)
    .showHelpAfterError('(tidegate --help shows what there is)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 it failed, 2 the command line or the configuration is wrong.\nDocumentation: docs/gateway.md',
    );
  replayCommand(program);
  detectCommand(program);
  return program;
}
