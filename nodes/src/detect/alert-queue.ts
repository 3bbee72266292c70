import type { Alert } from './alert.ts';
import type { Raised } from './detection.ts';

/** First wait before an alert that could not be committed is tried again, and the longest, milliseconds. */
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;

export interface AlertQueueOptions {
  /** Commits the alerts in order, the last one together with the save; without an outbox it has nothing to do. */
  commit(raised: Raised): Promise<void>;
  /** Called after the commit. */
  emit(alert: Alert): void;
  failed(error: unknown): void;
  /** Rejects when the owner stops. */
  wait(milliseconds: number): Promise<void>;
}

/** Alerts in the order in which they were raised, each committed before it is shown, tried until it succeeds. */
export class AlertQueue {
  private readonly options: AlertQueueOptions;
  private readonly waiting: Raised[] = [];
  /** Series with an alert that was given up. */
  private readonly lost = new Set<string>();
  private running: Promise<void> = Promise.resolve();
  private busy = false;
  private stopped = false;

  constructor(options: AlertQueueOptions) {
    this.options = options;
  }

  get length(): number {
    return this.waiting.length;
  }

  /** Whether alerts of this series are not committed yet; its state, which includes them, must not be saved before they are. */
  has(series: string): boolean {
    return this.lost.has(series) || this.waiting.some((raised) => raised.series === series);
  }

  add(raised: Raised): void {
    this.waiting.push(raised);
    if (this.busy) return;
    this.busy = true;
    this.running = this.run();
  }

  /** Resolves when all that was raised so far has been committed, or given up because of `stop`. */
  async drained(): Promise<void> {
    await this.running;
  }

  /** From now on a failure is final: what is not committed is raised again by a replay. */
  stop(): void {
    this.stopped = true;
  }

  private async run(): Promise<void> {
    for (let raised = this.waiting[0]; raised !== undefined; raised = this.waiting[0]) {
      // After a lost alert none of its series may be saved: the state would say that it had been raised.
      if (!this.lost.has(raised.series) && (await this.committed(raised))) {
        raised.save?.committed();
        this.show(raised.alerts);
      } else {
        this.lost.add(raised.series);
        raised.save?.failed();
      }
      this.waiting.shift();
    }
    this.busy = false;
  }

  /** A wire that throws must not stop the alerts behind it. */
  private show(alerts: readonly Alert[]): void {
    for (const alert of alerts) {
      try {
        this.options.emit(alert);
      } catch (error) {
        this.options.failed(error);
      }
    }
  }

  private async committed(raised: Raised): Promise<boolean> {
    for (let delay = FIRST_RETRY_MS; ; delay = Math.min(2 * delay, LONGEST_RETRY_MS)) {
      try {
        await this.options.commit(raised);
        return true;
      } catch (error) {
        this.options.failed(error);
      }
      if (this.stopped) return false;
      try {
        await this.options.wait(delay);
      } catch {
        // The owner stopped: one last attempt would hold up its close.
        return false;
      }
    }
  }
}
