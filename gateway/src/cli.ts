import { Command } from 'commander';

import { accountCommand } from './commands/account.ts';
import { clockCommand } from './commands/clock.ts';
import { demoCommand } from './commands/demo.ts';
import { detectCommand } from './commands/detect.ts';
import { drillCommand } from './commands/drill.ts';
import { exportCommand } from './commands/export.ts';
import { grantCommand } from './commands/grant.ts';
import { seriesCommand } from './commands/series.ts';
import { hashPasswordCommand } from './commands/hash-password.ts';
import { importCommand } from './commands/import.ts';
import { initCommand } from './commands/init.ts';
import { keyCommand } from './commands/key.ts';
import { queryCommand } from './commands/query.ts';
import { replayCommand } from './commands/replay.ts';
import { runCommand } from './commands/run.ts';
import { statusCommand } from './commands/status.ts';
import { vaultCommand } from './commands/vault.ts';
import { VERSION } from './version.ts';

/** The command line of the gateway. */
export function tidegate(): Command {
  const program = new Command('tidegate')
    .description('An offline-first IoT gateway for Node-RED: durable, encrypted, mergeable.')
    .version(VERSION)
    .showHelpAfterError('(add --help to see what is allowed)')
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 it failed, 2 the command line or the configuration is wrong.\nDocumentation: docs/gateway.md',
    );
  for (const add of [
    initCommand,
    runCommand,
    demoCommand,
    statusCommand,
    grantCommand,
    seriesCommand,
    clockCommand,
    queryCommand,
    accountCommand,
    keyCommand,
    vaultCommand,
    replayCommand,
    detectCommand,
    drillCommand,
    exportCommand,
    importCommand,
    hashPasswordCommand,
  ])
    add(program);
  return program;
}
