/** Thread that merges: frames from the broker into the store, acknowledgements back. Started by start-worker. */
import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

import { reasonOf, systemClock } from '@tidegate/nodes/node';
import { FrameCodec } from '@tidegate/nodes/sync';

import type { ChangeEvent } from '../api/contract.ts';
import { openSqliteStore } from '../store/sqlite-store.ts';
import { Intake } from './intake.ts';
import { Merger } from './merger.ts';
import { MqttLink } from './mqtt-link.ts';
import { Refusals } from './refusals.ts';
import { Replies } from './replies.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './worker-messages.ts';

/** Pause after the database has refused a transaction, ms. */
const PAUSE_MS = 500;
const REPORT_MS = 1000;
/** Documents that wait to be sent; more are sent when their gateway says HELLO. */
const MAX_WAITING_GATEWAYS = 1000;

const { databaseFile, identity, broker }: WorkerSettings = workerData;
if (parentPort === null) throw new Error('merge-worker runs as a worker thread only');
const port = parentPort;
const say = (message: FromWorker): void => port.postMessage(message);

const intake = new Intake();
const refusals = new Refusals();
const store = openSqliteStore(databaseFile);
const codec = new FrameCodec(identity, systemClock);
const gatewaysToTell = new Set<number>();
const state = { stopping: false, databaseProblem: '', wake: (): void => undefined };

const link = new MqttLink(broker, {
  arrived: (address, bytes) => {
    intake.offer({ address, bytes });
    state.wake();
  },
  ready: () => say({ kind: 'ready' }),
});

const merger = new Merger({
  store,
  codec,
  clock: systemClock,
  intake,
  refusals,
  replies: new Replies(codec, systemClock, (topic, frame, important) => link.publish(topic, frame, important)),
  changed: (kind: ChangeEvent['kind'], gateway: string) => say({ kind: 'changed', change: { kind, gateway } }),
});

port.on('message', (message: ToWorker) => {
  if (message.kind === 'stop') state.stopping = true;
  else if (gatewaysToTell.size < MAX_WAITING_GATEWAYS) gatewaysToTell.add(message.gatewayId);
  state.wake();
});

/** One round of work. False when there was none. */
async function work(): Promise<boolean> {
  try {
    for (const gatewayId of gatewaysToTell) {
      await merger.sendDocuments(gatewayId);
      gatewaysToTell.delete(gatewayId);
    }
    const worked = await merger.step();
    state.databaseProblem = '';
    return worked;
  } catch (error) {
    state.databaseProblem = reasonOf(error);
    await sleep(PAUSE_MS);
    return true;
  }
}

function report(): void {
  const problems = [...link.problems(), state.databaseProblem].filter((problem) => problem !== '');
  say({
    kind: 'report',
    report: { problems, dropped: intake.dropped, strangers: structuredClone(refusals.strangers) },
  });
  const refused = refusals.takeChanged();
  if (Object.keys(refused).length > 0) say({ kind: 'refused', refused });
}

async function run(): Promise<void> {
  link.start();
  const reports = setInterval(report, REPORT_MS);
  while (!state.stopping) {
    const worked = await work();
    if (worked || intake.waiting > 0 || state.stopping) {
      // Between two transactions the sockets get their turn, and with them the next alert.
      await breathe();
      continue;
    }
    await new Promise<void>((resolve) => {
      state.wake = resolve;
    });
  }
  clearInterval(reports);
  await link.stop();
  await store.close();
  port.close();
}

await run();
