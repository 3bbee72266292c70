import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Shim } from '../../test/support/shim.ts';
import { metric, startBareGateway } from './gateway.ts';
import { load } from './load.ts';

export const SYNC_MS = 200;
export const CLIENTS = 20;
export const IN_FLIGHT = 100;
/** The gateway shows the newest whole window of its event loop's delay; they follow one another from its start. */
const WINDOW_SECONDS = 10;
const WARM_UP_SECONDS = 3;
/** The first window holds the start of the flows and of the load; two whole ones lie behind it. */
const SECONDS = 3 * WINDOW_SECONDS;
const SAMPLE_MS = 10;

export interface SlowDisk {
  perSecond: number;
  /** Delay of the gateway's event loop under the load: the worse one of two windows. */
  loopP99Ms: number;
  loopMaxMs: number;
  /** The window before them: the flows start, 20 clients connect and send at once, nothing is compiled yet. */
  startLoopP99Ms: number;
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
        warmUpSeconds: WARM_UP_SECONDS,
        seconds: SECONDS,
        noise: 0.2,
      });
      const begin = performance.now();
      const until = (seconds: number): Promise<void> => sleep(begin + seconds * 1000 - performance.now());
      await until(WINDOW_SECONDS + 2);
      const startLoopP99Ms = await loopP99();
      const idle = monitorEventLoopDelay({ resolution: SAMPLE_MS });
      idle.enable();
      let [loopP99Ms, loopMaxMs] = [0, 0];
      for (const windows of [2, 3]) {
        await until(windows * WINDOW_SECONDS + 2);
        loopP99Ms = Math.max(loopP99Ms, await loopP99());
        loopMaxMs = Math.max(loopMaxMs, await inMs('tidegate_event_loop_delay_max_seconds'));
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
      return { perSecond, loopP99Ms, loopMaxMs, startLoopP99Ms, idleLoopP99Ms, commitP50Ms };

      function loopP99(): Promise<number> {
        return inMs('tidegate_event_loop_delay_seconds{quantile="0.99"}');
      }

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
