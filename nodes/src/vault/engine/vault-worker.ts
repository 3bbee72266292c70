import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../node/clock.ts';
import { TideError } from '../../node/errors.ts';
import { LocalEngine } from './sqlite-local.ts';
import type { Call, Reply } from './sqlite-thread.ts';
import type { VaultOptions } from '../vault.ts';

/** The writer's thread: the engine, and nothing that could keep it from the disk. */
const port = parentPort;
if (port === null) throw new TypeError('vault-worker runs in a worker thread');
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- sqlite-thread.ts, which starts this, gives just that
const options = workerData as VaultOptions;
const engine = new LocalEngine(options, systemClock);

port.on('message', (call: Call) => void answer(call));

async function answer({ id, method, parameters }: Call): Promise<void> {
  let reply: Reply;
  try {
    reply = { id, result: await engine.call(method, parameters) };
  } catch (error) {
    const { code, message } = error instanceof TideError ? error : new TideError('vault-failed', String(error));
    reply = { id, error: { code, message } };
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  port!.postMessage(reply);
  // Nothing comes after: the thread ends by itself once its port is closed.
  if (method === 'close') port!.close();
}
