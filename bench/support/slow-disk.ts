import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Shim } from '../../test/support/shim.ts';
import { metric, startBareGateway } from './gateway.ts';
import { load } from './load.ts';

export const SYNC_MS = 200;
export const CLIENTS = 20;
export const IN_FLIGHT = 100;
/** The gateway shows its event loop's delay in windows of ten seconds: two whole ones lie within the load. */
const WINDOW_SECONDS = 10;
const SECONDS = 24;
const SAMPLE_MS = 10;

export interface SlowDisk {
  perSecond: number;
  /** Delay of the gateway's event loop under the load: worst window. */
  loopP99Ms: number;
  loopMaxMs: number;
  /** The same of a process that does next to nothing (this one): what the machine itself adds. */
  idleLoopP99Ms: number;
  commitP50Ms: number;
}

/**
 * Durable QoS 1 readings a second through the shipped flow while each sync of a file of the vault takes 200 ms, and what
 * the gateway's event loop feels of it. Throws where the library that delays the syncs cannot be made.
 */
export async function measureSlowDisk(directory: string): Promise<SlowDisk> {
  const shim = new Shim({ directory: path.join(directory, 'vault') });
  try {
    const gateway = await startBareGateway(directory, () => shim.environment);
    try {
      shim.set('delayUs', SYNC_MS * 1000);
      const loading = load({
        port: gateway.mqttPort,
        clients: CLIENTS,
        inFlight: IN_FLIGHT,
        seriesPerClient: 50,
        warmUpSeconds: 3,
        seconds: SECONDS,
        noise: 0.2,
      });
      // Windows that ended before this began before the load did.
      await sleep((WINDOW_SECONDS + 2) * 1000);
      const idle = monitorEventLoopDelay({ resolution: SAMPLE_MS });
      idle.enable();
      let [loopP99Ms, loopMaxMs] = [0, 0];
      for (let second = WINDOW_SECONDS + 2; second < SECONDS; second++) {
        loopP99Ms = Math.max(loopP99Ms, await inMs('tidegate_event_loop_delay_seconds{quantile="0.99"}'));
        loopMaxMs = Math.max(loopMaxMs, await inMs('tidegate_event_loop_delay_max_seconds'));
        await sleep(1000);
      }
      idle.disable();
      const commitP50Ms = await inMs('tidegate_vault_commit_seconds{quantile="0.5"}');
      const { perSecond, acknowledged } = await loading;
      if (commitP50Ms < SYNC_MS)
        throw new Error(`a commit took ${commitP50Ms} ms: the syncs were not delayed by ${SYNC_MS} ms`);
      shim.set('delayUs', 0);
      const { readings } = await gateway.stop();
      if (readings < acknowledged)
        throw new Error(`${acknowledged} readings were acknowledged, the vault holds ${readings}`);
      const idleLoopP99Ms = Math.max(0, idle.percentile(99) / 1e6 - SAMPLE_MS);
      return { perSecond, loopP99Ms, loopMaxMs, idleLoopP99Ms, commitP50Ms };

      async function inMs(name: string): Promise<number> {
        return 1000 * (await metric(gateway, name));
      }
    } finally {
      shim.set('delayUs', 0);
      await gateway.program.stop();
    }
  } finally {
    shim.close();
  }
}
