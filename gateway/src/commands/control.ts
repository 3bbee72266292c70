import os from 'node:os';
import path from 'node:path';

import { systemClock } from '@tidegate/nodes/node';
import { outgoingOf } from '@tidegate/nodes/sync';
import { openVault } from '@tidegate/nodes/vault';

import { readConfig } from '../config/file-config.ts';
import { vaultOptionsOf } from '../config/vault-options.ts';
import { askControl } from '../control/http-control.ts';
import { answerControl, type Controlled } from '../control/requests.ts';
import { socketPath } from '../control/socket-path.ts';
import { vaultStatus } from '../device/vault-status.ts';
import { TideError } from '@tidegate/nodes/node';

/** Asks the gateway in a directory: the running one over its socket, otherwise its vault is opened for this one request. */
export async function control<T>(directory: string, method: string, request: string, body?: unknown): Promise<T> {
  const config = await readConfig(directory);
  const answer = await askControl(socketPath(directory, os.tmpdir(), process.platform), method, request, body);
  if (answer !== undefined) return answer as T;
  const vault = await openVault(vaultOptionsOf(path.resolve(directory), config), systemClock);
  const atRest: Controlled = {
    status: async () => ({ name: config.name, running: false, ...(await vaultStatus(vault)) }),
    grants: async () => (await vaultStatus(vault)).grants,
    grant: async (series, purpose) => (await outgoingOf(vault)).grant(series, purpose),
    revoke: async (series, purpose) => (await outgoingOf(vault)).revoke(series, purpose),
  };
  try {
    const { status, body: result } = await answerControl(atRest, method, request, body);
    if (status === 200) return result as T;
    const { error } = result as { error: { code: string; message: string } };
    throw new TideError(error.code, error.message);
  } finally {
    await vault.close();
  }
}
