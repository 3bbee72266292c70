import { vaultWarnings } from '@tidegate/nodes/vault';

import type { GatewayStatus } from '../control/status.ts';

/**
 * `ok`; `degraded`: readings are taken in and acknowledged, but a person should look; `failing`: they are not, and a
 * restart may help.
 */
export interface Health {
  status: 'ok' | 'degraded' | 'failing';
  reasons: string[];
}

/** Health of a running gateway; undefined stands for a status that was not answered in time. */
export function healthOf(status: GatewayStatus | undefined): Health {
  if (status === undefined) return { status: 'failing', reasons: ['the vault does not answer'] };
  const { process: running, vault, bridge } = status;
  const failing: string[] = [];
  const degraded = vaultWarnings(vault).map(({ text }) => text);
  if (running === undefined) failing.push('the gateway does not run');
  else {
    if (running.stuck) failing.push('messages are refused because nothing is committed in time');
    if (running.flows !== 'running') degraded.push(`flows: ${running.flows}`);
  }
  if (bridge?.state === 'error') degraded.push(`bridge: ${bridge.reason ?? bridge.text}`);
  const reasons = [...failing, ...degraded];
  return { status: failing.length > 0 ? 'failing' : reasons.length > 0 ? 'degraded' : 'ok', reasons };
}
