import { parentPort, workerData } from 'node:worker_threads';

import { systemClock } from '@tidegate/nodes/node';

import { Site } from './mqtt-site.ts';

/** What the thread that starts this one passes on. */
export interface SiteWorkerData {
  url: string;
  seed: number;
  periodMs: number;
}

export type SiteWorkerMessage = { kind: 'fault'; text: string } | { kind: 'stopped' };

const say = (message: SiteWorkerMessage): void => parentPort?.postMessage(message, []);
const site = new Site(
  { ...(workerData as SiteWorkerData), onFault: (text) => say({ kind: 'fault', text }) },
  systemClock,
);

parentPort?.once('message', () => {
  site
    .stop()
    .catch(() => undefined)
    .finally(() => {
      say({ kind: 'stopped' });
      parentPort?.close();
    });
});
site.start();
