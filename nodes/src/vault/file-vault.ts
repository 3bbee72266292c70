import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { systemClock, type Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import { describeKey } from './keys/file-key.ts';
import { EngineThread } from './engine/sqlite-thread.ts';
import { VaultClient } from './vault-client.ts';
import type { KeyReference, Vault, VaultOptions } from './vault.ts';

interface Shared {
  vault: Promise<Vault>;
  key: string;
  users: number;
  /** Set while the last user closes it. */
  closing?: Promise<void>;
}

/** By real path, for the whole process: sources and built nodes may both be loaded, and a vault has one owner. */
const SHELF = Symbol.for('tidegate.vaults');
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only this line writes under this symbol
const shelf = ((globalThis as { [SHELF]?: Map<string, Shared> })[SHELF] ??= new Map<string, Shared>());

/**
 * Opens the vault in a directory and makes it when there is none. Within a process all who open the same directory get
 * the same vault, and it is closed when as many have closed it. Throws TideError `owned` (another process has it),
 * `wrong-key`, `no-key`, `weak-key`, `key-exposed`, `key-inside-vault`, `newer-format`, `io`.
 */
export async function openVault(options: VaultOptions, clock: Clock = systemClock): Promise<Vault> {
  const settled = settle(options);
  const { directory } = settled;
  const key = describeKey(settled.key);
  for (let shared = shelf.get(directory); shared !== undefined; shared = shelf.get(directory)) {
    if (shared.closing !== undefined) {
      // A failure to close is its closer's to report; here it only matters that it is over.
      await shared.closing.catch(() => undefined);
      continue;
    }
    if (shared.key !== key)
      throw new TideError('wrong-key', `vault ${directory} is open with ${shared.key}; ${key} was asked for now`);
    shared.users++;
    return shared.vault;
  }
  const shared: Shared = { vault: start(settled, clock), key, users: 1 };
  shelf.set(directory, shared);
  shared.vault.catch(() => shelf.delete(directory));
  return shared.vault;
}

async function start(options: VaultOptions, clock: Clock): Promise<Vault> {
  checkNode(process.versions.node, process.versions['napi']);
  const thread = EngineThread.start(options);
  try {
    const vault = await VaultClient.open({
      channel: thread,
      clock,
      commitDelayMs: options.commitDelayMs ?? 0,
      after: (ms, callback) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    });
    followRotation(vault, options.directory);
    const close = vault.close.bind(vault);
    vault.close = () => release(options.directory, close);
    return vault;
  } catch (error) {
    await thread.abandon();
    if (error instanceof TideError && error.code === 'wrong-key')
      throw new TideError('wrong-key', `vault ${options.directory}, ${describeKey(options.key)}: ${error.message}`, {
        cause: error,
      });
    throw error;
  }
}

/** Who opens the vault later in this process names the key that it has by then. */
function followRotation({ keys }: Vault, directory: string): void {
  const confirm = keys.confirmRotation.bind(keys);
  keys.confirmRotation = async (to) => {
    await confirm(to);
    const shared = shelf.get(directory);
    if (shared !== undefined) shared.key = describeKey(absolute(to));
  };
}

/** One user less; the last one closes it. */
function release(directory: string, close: () => Promise<void>): Promise<void> {
  const shared = shelf.get(directory);
  if (shared === undefined) return close();
  if (--shared.users > 0) return Promise.resolve();
  shared.closing ??= close().finally(() => shelf.delete(directory));
  return shared.closing;
}

function settle(options: VaultOptions): VaultOptions {
  if (options.directory === '') throw new TideError('no-directory', 'a vault needs a directory');
  const directory = path.resolve(options.directory);
  if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o700 });
  return { ...options, directory: realpathSync(directory), key: absolute(options.key) };
}

const absolute = (key: KeyReference): KeyReference => ('file' in key ? { file: path.resolve(key.file) } : key);

/** Node-API of the SQLite binding: it comes with Node 22.14. */
const NODE_API = 10;

/** Throws TideError `node-too-old` where loading the binding would end the whole process without a word. */
export function checkNode(version: string, nodeApi: string | undefined): void {
  if (Number(nodeApi) >= NODE_API) return;
  throw new TideError(
    'node-too-old',
    `the vault needs Node.js 22.14 or newer (Node-API ${NODE_API}), found ${version} (Node-API ${nodeApi ?? 'none'})`,
  );
}
