import type { Door } from '../ingest/door.ts';
import type { Vault } from '../vault/vault.ts';

/**
 * What a Tidegate gateway hands to the nodes that run inside it, as `settings.tidegate`. It owns these; nodes borrow
 * them and never close them. In a stock Node-RED there is no host, and tide-vault opens its own vault.
 */
export interface GatewayHost {
  /** The gateway's vault, open before the flows start. */
  readonly vault: Vault;
  /** The gateway's door: its embedded broker offers messages here. */
  readonly door: Door;
}
