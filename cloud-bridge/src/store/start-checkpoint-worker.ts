import { Worker } from 'node:worker_threads';

import { reasonOf } from '@tidegate/nodes/node';

/** Moves the write-ahead log into the database in the background. Should it fail, commits do all of it, at 64 MB of log. */
export class Checkpointer {
  private readonly file: string;
  private readonly log: (line: string) => void;
  private worker: Worker | undefined;
  private trouble = '';

  constructor(file: string, log: (line: string) => void) {
    this.file = file;
    this.log = log;
  }

  start(): void {
    // tsc leaves the address of a worker as it stands.
    const script = import.meta.url.endsWith('.ts') ? './checkpoint-worker.ts' : './checkpoint-worker.js';
    const worker = new Worker(new URL(script, import.meta.url), { workerData: this.file, name: 'checkpoint' });
    worker.on('message', (trouble: string) => this.tell(trouble));
    worker.once('error', (error) => this.tell(reasonOf(error)));
    worker.once('exit', () => {
      this.worker = undefined;
    });
    this.worker = worker;
  }

  async stop(): Promise<void> {
    const { worker } = this;
    if (worker === undefined) return;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    await worker.terminate();
    await ended;
  }

  /** The same trouble is told once. */
  private tell(trouble: string): void {
    if (trouble !== this.trouble) this.log(`the database's log cannot be moved into it: ${trouble}`);
    this.trouble = trouble;
  }
}
