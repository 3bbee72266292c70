import { setTimeout as sleep } from 'node:timers/promises';
import { doorOf } from '../ingest/door-of.ts';
import { systemClock } from '../node/clock.ts';
import { reasonOf } from '../node/errors.ts';
import type { Door } from '../ingest/door.ts';
import { onClose, shorten } from '../node/handlers.ts';
import type { Node, NodeDefinition, NodeRed } from '../node/node-red.ts';
import { ensureKeyFile } from './keys/file-key.ts';
import { keepTime, type KeptTime } from './file-timekeeper.ts';
import { openVault } from './file-vault.ts';
import { timekeeperOf } from './timekeeper.ts';
import { isTheGateways, vaultOptionsOf, type VaultDefinition } from './vault-definition.ts';
import { VaultWatch } from './vault-warnings.ts';
import type { Vault } from './vault.ts';

type TideVaultDefinition = NodeDefinition & VaultDefinition;

/** The part of a tide-vault node that other nodes use. */
export interface TideVaultNode extends Node {
  /** The vault; opened at the first call, and again after a failure. Whoever gets it does not close it. */
  open(): Promise<Vault>;
  /** The vault's one door. */
  door(): Promise<Door>;
}

/** While nodes close side by side, the vault stays open until none has committed for so long. */
const QUIET_MS = 50;
const LONGEST_WAIT_MS = 5_000;

/** How often a node looks whether a person has to be told something. */
const LOOK_MS = 60_000;

/** How many tide-vault nodes have a vault open: its door is closed by the last. */
const users = new WeakMap<Vault, number>();
const clocks = new WeakMap<Vault, Promise<KeptTime>>();

export default function (RED: NodeRed): void {
  function TideVault(this: Node, definition: TideVaultDefinition): void {
    RED.nodes.createNode(this, definition);
    const host = isTheGateways(definition) ? RED.settings.tidegate : undefined;
    if (host !== undefined) {
      Object.assign(this, { open: async () => host.vault, door: async () => host.door });
      onClose(this, watch(this, host.vault));
      return;
    }
    let opened: Promise<Vault> | undefined;
    let stop: (() => void) | undefined;
    let closed = false;
    const open = (): Promise<Vault> => {
      opened ??= openFor(this, definition, RED.settings.userDir ?? process.cwd()).then(
        (vault) => {
          if (!closed) stop = watch(this, vault);
          return vault;
        },
        (error: unknown) => {
          opened = undefined;
          throw error;
        },
      );
      return opened;
    };
    Object.assign(this, { open, door: async () => doorFor(await open()) });
    onClose(this, async () => {
      closed = true;
      stop?.();
      const vault = await opened?.catch(() => undefined);
      if (vault !== undefined) await closeQuietly(vault);
    });
  }
  RED.nodes.registerType('tide-vault', TideVault);
}

async function openFor(node: Node, definition: TideVaultDefinition, userDir: string): Promise<Vault> {
  const options = vaultOptionsOf(definition, userDir);
  const { directory, key } = options;
  if ('file' in key && ensureKeyFile(key.file, directory))
    node.warn(
      `made a new vault key in ${key.file}. Keep a copy in a safe place: without it nothing in ${directory} can be read again`,
    );
  const vault = await openVault(options);
  users.set(vault, (users.get(vault) ?? 0) + 1);
  let kept = clocks.get(vault);
  if (kept === undefined) {
    kept = keepTime(vault, (error) => node.warn(`clock: ${reasonOf(error)}`));
    clocks.set(vault, kept);
  }
  await kept;
  for (const problem of (await vault.stats()).problems) node.warn(`vault ${directory}: ${problem}`);
  return vault;
}

/** Warns in the log, and shows it to status nodes. Returns what ends it. */
function watch(node: Node, vault: Vault): () => void {
  const watched = new VaultWatch();
  let ended = false;
  const look = async (): Promise<void> => {
    const stats = await vault.stats();
    if (ended) return;
    const { fresh, status } = watched.look(stats);
    for (const text of fresh) node.warn(`vault ${vault.directory}: ${text}`);
    node.status({ ...status, text: shorten(status.text ?? '') });
  };
  // A vault that does not answer is closing, or its users say what is wrong with it.
  const lookQuietly = (): void => void look().catch(() => undefined);
  lookQuietly();
  const timer = setInterval(lookQuietly, LOOK_MS);
  return () => {
    ended = true;
    clearInterval(timer);
  };
}

function doorFor(vault: Vault): Door {
  const keeper = timekeeperOf(vault);
  return doorOf(vault, systemClock, keeper === undefined ? {} : { keeper });
}

async function closeQuietly(vault: Vault): Promise<void> {
  // Node-RED closes configuration nodes together with the others, and those save what they know as they close.
  let commits = -1;
  for (let waited = 0; waited < LONGEST_WAIT_MS; waited += QUIET_MS) {
    const now = (await vault.stats()).commits;
    if (now === commits) break;
    commits = now;
    await sleep(QUIET_MS);
  }
  const left = (users.get(vault) ?? 1) - 1;
  users.set(vault, left);
  try {
    if (left === 0) {
      await doorOf(vault).close();
      await (await clocks.get(vault))?.stop();
      clocks.delete(vault);
    }
  } finally {
    await vault.close();
  }
}
