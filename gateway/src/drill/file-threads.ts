import { Worker } from 'node:worker_threads';

import { TideError, reasonOf } from '@tidegate/nodes/node';

import type { Answer } from './threads.ts';

/** A thread of the drill. It ends with `close`, or with the process. */
export class DrillThread<Ask> {
  /** What the thread said when it was ready. */
  ready: unknown;
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  private readonly ended: Promise<void>;
  private asked = 0;

  private constructor(name: string, data: unknown) {
    // tsc leaves the address of a worker as it stands.
    const script = import.meta.url.endsWith('.ts') ? `./${name}.ts` : `./${name}.js`;
    this.worker = new Worker(new URL(script, import.meta.url), { workerData: data, name });
    this.worker.on('message', (answer: Answer) => this.answered(answer));
    this.worker.on('error', (error) => this.failed(reasonOf(error)));
    this.ended = new Promise((resolve) => {
      this.worker.once('exit', () => {
        this.failed(`${name} ended`);
        resolve();
      });
    });
  }

  /** Resolves when the thread is ready. */
  static async start<Ask>(
    name: 'link-worker' | 'cloud-worker' | 'backlog-worker',
    data: unknown,
  ): Promise<DrillThread<Ask>> {
    const thread = new DrillThread<Ask>(name, data);
    thread.ready = await thread.reply(0);
    return thread;
  }

  ask(ask: Ask | 'close'): Promise<unknown> {
    const id = ++this.asked;
    const reply = this.reply(id);
    this.worker.postMessage({ id, ask }, []);
    return reply;
  }

  async close(): Promise<void> {
    try {
      await this.ask('close');
    } finally {
      await this.worker.terminate();
      await this.ended;
    }
  }

  private reply(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  private answered(answer: Answer): void {
    const waiter = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if ('error' in answer) waiter?.reject(new TideError('drill', answer.error));
    else waiter?.resolve(answer.value);
  }

  private failed(reason: string): void {
    for (const { reject } of this.waiting.values()) reject(new TideError('drill', reason));
    this.waiting.clear();
  }
}
