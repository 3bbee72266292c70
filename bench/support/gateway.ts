import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type KeyReference, openVault, type Vault } from '@tidegate/nodes/vault';
import { parse, stringify } from 'yaml';
import { freePort } from '../../test/support/ports.ts';
import { Program, root } from '../../test/support/process.ts';

export const CLI = path.join(root, 'gateway/bin/tidegate.js');

/** A gateway's directory with the shipped flow and no cloud, made by the CLI as a user would. */
export interface GatewayFolder {
  directory: string;
  mqttPort: number;
  metricsPort: number;
}

export interface BareGateway extends GatewayFolder {
  program: Program;
  /** Stops it; readings in the vault, and how many of them the flow had taken in by then. */
  stop(): Promise<{ readings: number; flowed: number }>;
}

export async function makeGateway(directory: string): Promise<GatewayFolder> {
  const [mqttPort, metricsPort] = [await freePort(), await freePort()];
  await cli('init', directory, '--yes', '--name', 'bench', '--grant', 'site/#');
  const file = path.join(directory, 'gateway.yaml');
  const config = parse(readFileSync(file, 'utf8')) as Record<string, Record<string, unknown>>;
  config['mqtt'] = { ...config['mqtt'], port: mqttPort };
  config['editor'] = { ...config['editor'], port: 0 };
  config['metrics'] = { port: metricsPort };
  writeFileSync(file, stringify(config));
  return { directory, mqttPort, metricsPort };
}

/** The process alone; it prints a line of JSON once its flows run. */
export const runGateway = ({ directory }: GatewayFolder, env: NodeJS.ProcessEnv = {}): Program =>
  new Program('gateway', process.execPath, [CLI, 'run', directory, '--json'], { env });

/** A new gateway whose flows run. `env` says what its process gets, once its directory is there. */
export async function startBareGateway(
  directory: string,
  env: () => NodeJS.ProcessEnv = () => ({}),
): Promise<BareGateway> {
  const folder = await makeGateway(directory);
  const program = runGateway(folder, env());
  await program.json();
  return {
    ...folder,
    program,
    stop: async () => {
      await program.stop();
      const vault = await openGatewayVault(folder);
      try {
        return { readings: vault.journal.head - 1, flowed: (await vault.checkpoints.replayFrom()) - 1 };
      } finally {
        await vault.close();
      }
    },
  };
}

/** The vault of a gateway that does not run, in this process; `key` when it is no longer the one made by init. */
export const openGatewayVault = ({ directory }: GatewayFolder, key?: KeyReference): Promise<Vault> =>
  openVault({
    directory: path.join(directory, 'vault'),
    key: key ?? { file: path.join(directory, 'keys/vault.key') },
  });

/** A figure on the gateway's `/metrics`, by its name with labels. */
export async function metric({ metricsPort }: GatewayFolder, name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  const line = (await answer.text()).split('\n').find((one) => one.startsWith(`${name} `));
  if (line === undefined) throw new Error(`the gateway's metrics have no ${name}`);
  return Number(line.slice(name.length + 1));
}

/** Runs the CLI to its end. */
export async function cli(...args: string[]): Promise<void> {
  const program = new Program('tidegate', process.execPath, [CLI, ...args]);
  if ((await program.ended()) !== 0) throw new Error(`tidegate ${args[0]}:\n${program.output()}`);
}
