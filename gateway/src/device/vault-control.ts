import { outgoingOf, readAccount } from '@tidegate/nodes/sync';
import { systemClock } from '@tidegate/nodes/node';
import { SeriesRegistry, type Vault } from '@tidegate/nodes/vault';

import type { Controlled } from '../control/requests.ts';
import { queryVault } from './vault-query.ts';
import { vaultStatus } from './vault-status.ts';

/** What is asked of the vault alone, and answered alike whether the gateway runs or the vault was opened for one command. */
export function vaultControl(
  vault: Vault,
): Pick<Controlled, 'grants' | 'grant' | 'revoke' | 'series' | 'query' | 'account' | 'verify' | 'keys'> {
  return {
    grants: async () => (await vaultStatus(vault)).grants,
    grant: async (series, purpose) => (await outgoingOf(vault)).grant(series, purpose),
    revoke: async (series, purpose) => (await outgoingOf(vault)).revoke(series, purpose),
    series: () => new SeriesRegistry(vault, systemClock),
    query: (request) => queryVault(vault, request),
    account: () => readAccount(vault),
    verify: () => vault.verify(),
    keys: () => vault.keys,
  };
}
