import { parentPort, workerData } from 'node:worker_threads';
import { TideError } from '../node/errors.ts';
import type { EngineCalls } from './engine.ts';
import { LocalEngine } from './sqlite-local.ts';
import type { Call, Reply } from './sqlite-thread.ts';
import type { VaultOptions } from './vault.ts';

/** The writer's thread: the engine, and nothing that could keep it from the disk. */
const port = parentPort;
if (port === null) throw new TypeError('vault-worker runs in a worker thread');
const options = workerData as VaultOptions;
const engine = new LocalEngine(options.directory, options);

port.on('message', ({ id, method, parameters }: Call) => {
  void answer(method, parameters).then((reply) => {
    port.postMessage({ ...reply, id } satisfies Reply);
    // Nothing comes after: the thread ends by itself once its port is closed.
    if (method === 'close') port.close();
  });
});

async function answer(method: keyof EngineCalls, parameters: Call['parameters']): Promise<Omit<Reply, 'id'>> {
  try {
    return { result: await engine.call(method, parameters) };
  } catch (error) {
    const { code, message } = error instanceof TideError ? error : new TideError('vault-failed', String(error));
    return { error: { code, message } };
  }
}
