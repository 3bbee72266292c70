import { TideError } from '@tidegate/nodes/node';
import type { Finding, Vault } from '@tidegate/nodes/vault';

/** What a vault can do to itself beside storing. */
export interface VaultChecks {
  /** Reads everything and names what is not as it was written. */
  verify(): AsyncIterable<Finding>;
  /** Makes the catalogue again from the sealed files; resolves to what was found in them. */
  rebuild(): Promise<object>;
}

/** The checks of a vault. Throws a TideError `not-supported` where its engine has none. */
export function checksOf(vault: Vault): VaultChecks {
  if (hasChecks(vault)) return vault;
  throw new TideError('not-supported', 'this version of the vault can be neither verified nor rebuilt');
}

function hasChecks(vault: object): vault is VaultChecks {
  return (
    'verify' in vault && typeof vault.verify === 'function' && 'rebuild' in vault && typeof vault.rebuild === 'function'
  );
}
