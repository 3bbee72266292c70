import path from 'node:path';

import type { VaultOptions } from '@tidegate/nodes/vault';

import type { GatewayConfig } from './schema.ts';

/** Where the vault of a gateway lies and how it opens, with paths made absolute. */
export function vaultOptionsOf(directory: string, config: Pick<GatewayConfig, 'vault'>): VaultOptions {
  const { key, directory: vault, commitDelayMs, quotaBytes, retentionDays, ballastBytes } = config.vault;
  return {
    directory: path.resolve(directory, vault),
    key: 'file' in key ? { file: path.resolve(directory, key.file) } : key,
    commitDelayMs,
    budget: {
      ...(quotaBytes !== undefined && { quotaBytes }),
      ...(retentionDays !== undefined && { retentionDays }),
      ...(ballastBytes !== undefined && { ballastBytes }),
    },
  };
}
