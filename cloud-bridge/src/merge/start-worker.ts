import { Worker } from 'node:worker_threads';

import { reasonOf } from '@tidegate/nodes/node';

import type { ChangeEvent } from '../api/contract.ts';
import type { Refusal } from './refusals.ts';
import type { FromWorker, ToWorker, WorkerReport, WorkerSettings } from './worker-messages.ts';

/** Before a worker that failed is started again, ms. */
const RESTART_MS = 1000;

/** The merge worker as the main thread sees it. One that fails is started again: it holds nothing that is not stored. */
export class MergeWorker {
  report: WorkerReport = { problems: ['starting'], dropped: 0, strangers: { count: 0, reason: '', kinds: {} } };
  /** Refused frames of each gateway since the start of the worker, by label. */
  readonly refused = new Map<string, Refusal>();
  private readonly settings: WorkerSettings;
  private readonly changed: (change: ChangeEvent) => void;
  private readonly log: (line: string) => void;
  private worker: Worker | undefined;
  private restart: NodeJS.Timeout | undefined;
  private stopping = false;
  private whenReady: () => void = () => undefined;

  constructor(settings: WorkerSettings, changed: (change: ChangeEvent) => void, log: (line: string) => void) {
    this.log = log;
    this.settings = settings;
    this.changed = changed;
  }

  /** Starts the thread; resolves at once with a promise for the moment when it listens to the broker. */
  start(): { ready: Promise<void> } {
    const ready = new Promise<void>((resolve) => {
      this.whenReady = resolve;
    });
    this.run();
    return { ready };
  }

  /** Has the worker send a gateway the documents that it lacks. */
  documentsWritten(gatewayId: number): void {
    this.tell({ kind: 'documents', gatewayId });
  }

  /** Lets the transaction under way end. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restart);
    const { worker } = this;
    if (worker === undefined) return;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    this.tell({ kind: 'stop' });
    await ended;
  }

  private run(): void {
    // tsc leaves the address of a worker as it stands.
    const file = import.meta.url.endsWith('.ts') ? './merge-worker.ts' : './merge-worker.js';
    const worker = new Worker(new URL(file, import.meta.url), { workerData: this.settings, name: 'merge' });
    let reason = 'it ended';
    worker.on('message', (message: FromWorker) => this.take(message));
    worker.once('error', (error) => {
      reason = reasonOf(error);
    });
    worker.once('exit', () => {
      this.worker = undefined;
      if (this.stopping) return;
      this.problems([`the merge worker failed and is started again: ${reason}`]);
      this.restart = setTimeout(() => this.run(), RESTART_MS);
    });
    this.worker = worker;
  }

  private take(message: FromWorker): void {
    if (message.kind === 'ready') {
      this.problems([]);
      this.whenReady();
    } else if (message.kind === 'changed') this.changed(message.change);
    else if (message.kind === 'report') {
      this.problems(message.report.problems);
      this.report = message.report;
    } else if (message.kind === 'refused') {
      for (const [gateway, refusal] of Object.entries(message.refused)) {
        this.refused.set(gateway, refusal);
        this.changed({ kind: 'gateways', gateway });
      }
    }
  }

  private problems(problems: string[]): void {
    const before = new Set(this.report.problems);
    for (const problem of problems) if (!before.has(problem)) this.log(problem);
    this.report = { ...this.report, problems };
  }

  private tell(message: ToWorker): void {
    this.worker?.postMessage(message);
  }
}
