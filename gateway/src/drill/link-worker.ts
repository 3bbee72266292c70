/** Thread of the shaped link, so that what the ends do does not make it late. Started by file-threads. */
import { parentPort, workerData } from 'node:worker_threads';

import { reasonOf, systemClock } from '@tidegate/nodes/node';

import type { LinkShape } from './link-shape.ts';
import { ShapedLink } from './mqtt-shaped-link.ts';
import { PacketLog } from './packet-log.ts';
import type { Answer, LinkAsk } from './threads.ts';

if (parentPort === null) throw new Error('link-worker runs as a worker thread only');
const port = parentPort;
const { target, shape, logged } = workerData as { target: number; shape: LinkShape; logged: boolean };
const log = logged ? new PacketLog(() => systemClock.now()) : undefined;
const link = await ShapedLink.start(target, shape, { open: false, log }, systemClock);
const say = (answer: Answer): void => port.postMessage(answer);

async function answer(ask: LinkAsk): Promise<unknown> {
  if (ask === 'cut') link.cut();
  else if (ask === 'restore') link.restore();
  else if (ask === 'close') await link.close();
  if (ask === 'packets') return log?.logged;
  return ask === 'carried' ? link.carried() : undefined;
}

async function reply(id: number, ask: LinkAsk): Promise<void> {
  try {
    say({ id, value: await answer(ask) });
  } catch (error) {
    say({ id, error: reasonOf(error) });
  }
  if (ask === 'close') port.close();
}

port.on('message', ({ id, ask }: { id: number; ask: LinkAsk }) => void reply(id, ask));
say({ id: 0, value: link.port });
