import os from 'node:os';
import path from 'node:path';

import { systemClock, TideError } from '@tidegate/nodes/node';
import { openVault, type Vault } from '@tidegate/nodes/vault';

import { readConfig } from '../config/file-config.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { vaultOptionsOf } from '../config/vault-options.ts';
import { askControl, askControlLines } from '../control/http-ask.ts';
import { type Answer, answerControl, type Controlled, type Line } from '../control/requests.ts';
import { socketPath } from '../control/socket-path.ts';
import type { GatewayStatus } from '../control/status.ts';
import { exposed } from '../metrics/exposition.ts';
import { metricsOf } from '../metrics/gateway-metrics.ts';
import { VERSION } from '../version.ts';
import { vaultControl } from '../device/vault-control.ts';
import { vaultStatus } from '../device/vault-status.ts';

/** Asks the gateway in a directory: the running one over its socket, otherwise its vault is opened for this one request. */
export async function control<T>(directory: string, method: string, request: string, body?: unknown): Promise<T> {
  const config = await readConfig(directory);
  const answer = await askControl(socketOf(directory), method, request, body);
  if (answer !== undefined) return answer as T;
  const vault = await openAtRest(directory, config);
  try {
    const own = succeeded(await answerControl(atRest(vault, config), method, request, body));
    if ('lines' in own) throw new TypeError(`${request} is answered with lines`);
    return own.body as T;
  } finally {
    await vault.close();
  }
}

/** The same for a request with a long answer. Ending the iteration early stops the reading. */
export async function* controlLines(
  directory: string,
  method: string,
  request: string,
  body?: unknown,
): AsyncGenerator<Line> {
  const config = await readConfig(directory);
  const lines = await askControlLines(socketOf(directory), method, request, body);
  if (lines !== undefined) {
    yield* lines;
    return;
  }
  const vault = await openAtRest(directory, config);
  try {
    const own = succeeded(await answerControl(atRest(vault, config), method, request, body));
    if (!('lines' in own)) throw new TypeError(`${request} is answered at once`);
    yield* own.lines;
  } finally {
    await vault.close();
  }
}

const socketOf = (directory: string): string => socketPath(directory, os.tmpdir(), process.platform);

const openAtRest = (directory: string, config: GatewayConfig): Promise<Vault> =>
  openVault(vaultOptionsOf(path.resolve(directory), config), systemClock);

function atRest(vault: Vault, { name }: GatewayConfig): Controlled {
  const status = async (): Promise<GatewayStatus> => ({ name, running: false, ...(await vaultStatus(vault)) });
  return { ...vaultControl(vault), status, metrics: async () => exposed(metricsOf(await status(), VERSION)) };
}

function succeeded(answer: Answer): Answer {
  if (answer.status === 200) return answer;
  const { error } = (answer as { body: { error: { code: string; message: string } } }).body;
  throw new TideError(error.code, error.message);
}
