import { TideError } from '@tidegate/nodes/node';
import type { Vault } from '@tidegate/nodes/vault';

/**
 * Makes the catalogue of a vault again from its sealed files; resolves to what was found in them. Throws a TideError
 * `not-supported` where its engine cannot.
 */
export async function rebuildVault(vault: Vault): Promise<object> {
  if (canRebuild(vault)) return vault.rebuild();
  throw new TideError('not-supported', 'this version of the vault cannot make its catalogue again while it is open');
}

function canRebuild(vault: object): vault is { rebuild(): Promise<object> } {
  return 'rebuild' in vault && typeof vault.rebuild === 'function';
}
