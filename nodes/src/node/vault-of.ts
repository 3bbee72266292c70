import type { Vault } from '../vault/vault.ts';
import { TideError } from './errors.ts';
import type { Node, NodeRed } from './node-red.ts';

/** Opens the vault of a tide-vault configuration node. Rejects with TideError `no-vault` when there is none by that id. */
export async function vaultOf(RED: NodeRed, id: string | undefined): Promise<Vault> {
  const node = id === undefined || id === '' ? null : RED.nodes.getNode(id);
  if (!opensVault(node)) throw new TideError('no-vault', 'no vault is chosen, or it is disabled; choose a tide-vault');
  return node.open();
}

function opensVault(node: Node | null): node is Node & { open(): Promise<Vault> } {
  return node !== null && 'open' in node && typeof node.open === 'function';
}
