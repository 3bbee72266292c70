/**
 * The gateway on a disk whose syncs take 200 ms each, as a cheap SD card's do now and then: readings a second through the
 * shipped flow, and how late the gateway's event loop comes to what is due. A library preloaded into the gateway makes
 * fsync and fdatasync of the vault's files wait; it needs Linux and gcc.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { shimLibrary } from '../test/support/shim.ts';
import type { Report } from './support/report.ts';
import { CLIENTS, IN_FLIGHT, measureSlowDisk, SYNC_MS } from './support/slow-disk.ts';

export async function run(progress: (text: string) => void): Promise<Report> {
  shimLibrary();
  const directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-bench-'));
  try {
    progress(`shipped flow, syncs of ${SYNC_MS} ms`);
    const found = await measureSlowDisk(path.join(directory, 'gateway'));
    return {
      figures: {
        readings_per_s: found.perSecond,
        loop_p99_ms: found.loopP99Ms,
        loop_max_ms: found.loopMaxMs,
        start_loop_p99_ms: found.startLoopP99Ms,
        idle_loop_p99_ms: found.idleLoopP99Ms,
        commit_p50_ms: found.commitP50Ms,
      },
      goals: { loop_p99_ms: { max: 20 }, readings_per_s: { min: 2_000 } },
      notes: [
        `${CLIENTS} clients, ${IN_FLIGHT} in flight, one reading for each PUBLISH, load generator on the same machine`,
        `fsync and fdatasync below the vault's directory take ${SYNC_MS} ms longer`,
        'loop: samples every 10 ms within the gateway process, the worse one of two whole windows of 10 s under load',
        'start_loop: the window before them, in which the flows start and the clients connect',
        'idle_loop: the same of a process beside it that does next to nothing; what the machine adds by itself',
      ],
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
