import { Worker } from 'node:worker_threads';
import { TideError, reasonOf } from '../../node/errors.ts';
import type { EngineCalls, EngineChannel } from '../engine.ts';
import type { VaultOptions } from '../vault.ts';

export interface Call {
  id: number;
  method: keyof EngineCalls;
  parameters: Parameters<EngineCalls[keyof EngineCalls]>;
}

export interface Reply {
  id: number;
  result?: unknown;
  error?: { code: string; message: string };
}

interface Pending {
  resolve: (result: never) => void;
  reject: (error: Error) => void;
}

/** What the thread makes is short-lived and small: a larger young generation only keeps garbage for longer. */
const YOUNG_MB = 6;

/** An engine in a thread of its own: an fsync on a cheap card takes up to half a second, and nothing here waits for it. */
export class EngineThread implements EngineChannel {
  private readonly worker: Worker;
  private readonly directory: string;
  private readonly pending = new Map<number, Pending>();
  private readonly exited: Promise<void>;
  private lastId = 0;
  private failure: TideError | undefined;
  private closing = false;

  private constructor(worker: Worker, directory: string) {
    this.worker = worker;
    this.directory = directory;
    worker.on('message', (reply: Reply) => this.settle(reply));
    worker.on('error', (error) => this.fail(reasonOf(error)));
    this.exited = new Promise((resolve) => {
      worker.on('exit', (code) => {
        this.fail(`it ended with code ${code}`);
        resolve();
      });
    });
    worker.unref();
  }

  static start(options: VaultOptions): EngineThread {
    const script = import.meta.url.endsWith('.ts') ? './vault-worker.ts' : './vault-worker.js';
    return new EngineThread(
      new Worker(new URL(script, import.meta.url), {
        workerData: options,
        name: 'tidegate vault',
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      }),
      options.directory,
    );
  }

  async call<Method extends keyof EngineCalls>(
    method: Method,
    parameters: Parameters<EngineCalls[Method]>,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<ReturnType<EngineCalls[Method]>> {
    if (this.failure !== undefined) throw this.failure;
    const id = ++this.lastId;
    this.closing ||= method === 'close';
    const answer = new Promise<ReturnType<EngineCalls[Method]>>((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
    });
    // The thread keeps the process alive while something is under way, and only then.
    if (this.pending.size === 1) this.worker.ref();
    this.worker.postMessage({ id, method, parameters } satisfies Call, [...transfer]);
    const result = await answer;
    if (method === 'close') await this.exited;
    return result;
  }

  /** Ends the thread of a vault that did not open. */
  async abandon(): Promise<void> {
    await this.worker.terminate();
  }

  private settle({ id, result, error }: Reply): void {
    const pending = this.pending.get(id);
    if (pending === undefined) return;
    this.pending.delete(id);
    if (this.pending.size === 0 && !this.closing) this.worker.unref();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the thread answers with what this method returns
    if (error === undefined) pending.resolve(result as never);
    else pending.reject(new TideError(error.code, error.message));
  }

  private fail(reason: string): void {
    this.failure ??= new TideError('vault-failed', `the writer's thread of vault ${this.directory} is gone: ${reason}`);
    for (const { reject } of this.pending.values()) reject(this.failure);
    this.pending.clear();
  }
}
