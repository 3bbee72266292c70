import { doorOf } from '@tidegate/nodes/ingest';
import { systemClock } from '@tidegate/nodes/node';
import { readGrants } from '@tidegate/nodes/privacy';
import { CONFLICTS, bridgeOf, loadEnrolment, statusText, timeText } from '@tidegate/nodes/sync';
import { timekeeperOf, type Vault, type VaultStats } from '@tidegate/nodes/vault';

import type { GatewayStatus } from '../control/status.ts';

/** The part of a status that lies in the vault, whether the gateway runs or not. */
export async function vaultStatus(
  vault: Vault,
): Promise<Pick<GatewayStatus, 'vault' | 'bridge' | 'enrolled' | 'grants'>> {
  const stats = await vault.stats();
  const grants = await readGrants(vault);
  const bridge = bridgeOf(vault)?.status();
  const security = bridgeOf(vault)?.security();
  const enrolment = await loadEnrolment(vault);
  return {
    vault: { directory: vault.directory, ...stats, ...clockOf(vault) },
    bridge:
      bridge === undefined
        ? null
        : {
            state: bridge.state,
            text: statusText(bridge, (time) => timeText(time, systemClock.now())),
            since: bridge.since,
            reason: bridge.reason ?? null,
            progress: bridge.progress ?? null,
            framesSent: bridge.framesSent,
            bytesSent: bridge.bytesSent,
            latencyMs: bridge.latencyMs,
            refused: bridge.refusedKinds,
            refusedReason: bridge.refusedReason ?? null,
            rejected: bridge.rejected,
            rejectedReason: bridge.rejectedReason ?? null,
            ...(security === undefined ? {} : { security }),
            conflicts: Number((await vault.documents.get(CONFLICTS.namespace, CONFLICTS.key)) ?? 0),
          },
    enrolled:
      enrolment === undefined
        ? null
        : { tenant: enrolment.tenant, gateway: enrolment.gateway, broker: enrolment.broker ?? null },
    grants: grants.list.map(({ series, purpose, since }) => ({ series, purpose, since })),
  };
}

/** Only of a running gateway: one at rest watches no clock. */
function clockOf(vault: Vault): Pick<VaultStats, 'clock'> {
  const keeper = timekeeperOf(vault);
  return keeper === undefined ? {} : { clock: { trusted: keeper.state.trusted, undated: doorOf(vault).undated } };
}
