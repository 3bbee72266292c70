/** Thread of the drill's cloud: the real one, on a directory of its own. Started by file-threads. */
import { parentPort, workerData } from 'node:worker_threads';

import { startCloud } from '@tidegate/cloud-bridge';
import { reasonOf } from '@tidegate/nodes/node';

import type { Answer, CloudAsk } from './threads.ts';

if (parentPort === null) throw new Error('cloud-worker runs as a worker thread only');
const port = parentPort;
const { directory } = workerData as { directory: string };
const say = (answer: Answer): void => port.postMessage(answer);
const problems: string[] = [];
const cloud = await startCloud({
  directory,
  port: 0,
  mqttPort: 0,
  page: false,
  log: (line) => problems.push(line),
});

async function answer(ask: CloudAsk): Promise<unknown> {
  if (ask === 'close') return cloud.stop();
  return ask === 'problems' ? problems : cloud.enrol('drill');
}

async function reply(id: number, ask: CloudAsk): Promise<void> {
  try {
    say({ id, value: await answer(ask) });
  } catch (error) {
    say({ id, error: reasonOf(error) });
  }
  if (ask === 'close') port.close();
}

port.on('message', ({ id, ask }: { id: number; ask: CloudAsk }) => void reply(id, ask));
say({ id: 0, value: { page: cloud.pageUrl, broker: cloud.brokerUrl } });
