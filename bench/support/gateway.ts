import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openVault } from '@tidegate/nodes/vault';
import { parse, stringify } from 'yaml';
import { Program, root } from '../../test/support/process.ts';

const CLI = path.join(root, 'gateway/bin/tidegate.js');

export interface BareGateway {
  program: Program;
  mqttPort: number;
  /** Stops it; readings in the vault, and how many of them the flow had taken in by then. */
  stop(): Promise<{ readings: number; flowed: number }>;
}

/** A gateway with the shipped flow and no cloud, made by the CLI as a user would. */
export async function startBareGateway(directory: string, mqttPort: number): Promise<BareGateway> {
  await cli('init', directory, '--yes', '--name', 'bench', '--grant', 'site/#');
  const file = path.join(directory, 'gateway.yaml');
  const config = parse(readFileSync(file, 'utf8')) as Record<string, Record<string, unknown>>;
  config['mqtt'] = { ...config['mqtt'], port: mqttPort };
  config['editor'] = { ...config['editor'], port: 0 };
  writeFileSync(file, stringify(config));
  const program = new Program('gateway', process.execPath, [CLI, 'run', directory, '--json']);
  await program.json();
  return {
    program,
    mqttPort,
    stop: async () => {
      await program.stop();
      const vault = await openVault({
        directory: path.join(directory, 'vault'),
        key: { file: path.join(directory, 'keys/vault.key') },
      });
      try {
        return { readings: vault.journal.head - 1, flowed: (await vault.checkpoints.replayFrom()) - 1 };
      } finally {
        await vault.close();
      }
    },
  };
}

async function cli(...args: string[]): Promise<void> {
  const program = new Program('tidegate', process.execPath, [CLI, ...args]);
  if ((await program.ended()) !== 0) throw new Error(`tidegate ${args[0]}:\n${program.output()}`);
}
