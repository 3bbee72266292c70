import { setTimeout as sleep } from 'node:timers/promises';

import type { AlertsAnswer, SummariesAnswer } from '@tidegate/cloud-bridge';
import type { Alert } from '@tidegate/nodes/detect';
import { TideError, reasonOf, type Clock } from '@tidegate/nodes/node';
import type { Part } from '@tidegate/nodes/summary';
import type { Outgoing } from '@tidegate/nodes/sync';

const LIVE_EVERY_MS = 5_000;
const ALERT_EVERY_MS = 200;
/** How often the cloud is asked what has arrived: what is measured of live windows is late by as much. */
const ASK_EVERY_MS = 200;
const SETTLE_MS = 60_000;

export interface TrafficParts {
  /** The cloud's API. */
  page: string;
  outgoing: Outgoing;
  clock: Clock;
  gateway: string;
  /** Series whose windows are looked for: a window is there when both have it. */
  ends: readonly [string, string];
  /** Parts of the n-th live window, and when it starts. */
  window: (n: number) => readonly Part[];
  windowStart: (n: number) => number;
}

/** GET on the API of the drill's cloud. */
export async function askCloud<T>(page: string, path: string): Promise<T> {
  const response = await fetch(new URL(path, page));
  if (!response.ok) throw new TideError('drill', `the drill's cloud answers ${path} with ${response.status}`);
  return (await response.json()) as T;
}

/** What a site goes on making while it catches up: live windows and alerts, and how long each takes to the cloud. */
export class Traffic {
  windowsMade = 0;
  /** When each alert was raised, epoch milliseconds. */
  readonly raisedAt: number[] = [];
  private readonly parts: TrafficParts;
  private readonly late = new Map<number, number>();
  private readonly lateness: number[] = [];
  private readonly latencies: number[] = [];
  private readonly timers: NodeJS.Timeout[] = [];
  private raised = 0;
  private cursor = 0;
  private trouble: string | undefined;
  private work: Promise<unknown> = Promise.resolve();
  private asking = false;

  constructor(parts: TrafficParts) {
    this.parts = parts;
  }

  /** Does nothing when it has started. */
  start(): void {
    if (this.timers.length > 0) return;
    this.every(LIVE_EVERY_MS, () => this.seal());
    this.every(ALERT_EVERY_MS, () => this.raise());
    this.every(ASK_EVERY_MS, async () => {
      if (this.asking) return;
      this.asking = true;
      try {
        await this.look();
      } finally {
        this.asking = false;
      }
    });
  }

  /** Throws what went wrong in the background. */
  check(): void {
    if (this.trouble !== undefined) throw new TideError('drill', this.trouble);
  }

  /** Ends the traffic and waits until all of it has arrived: seconds of each live window, milliseconds of each alert. */
  async settle(signal: AbortSignal): Promise<{ lateness: number[]; latencies: number[] }> {
    await this.stop();
    const deadline = this.parts.clock.monotonic() + SETTLE_MS;
    while (this.late.size > 0 || this.latencies.length < this.raised) {
      await sleep(ASK_EVERY_MS, undefined, { signal });
      await this.look();
      this.check();
      if (this.parts.clock.monotonic() > deadline)
        throw new TideError(
          'drill-stuck',
          `${this.late.size} live windows and ${this.raised - this.latencies.length} alerts did not reach the cloud`,
        );
    }
    return { lateness: this.lateness, latencies: this.latencies };
  }

  async stop(): Promise<void> {
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    await this.work;
  }

  private every(ms: number, task: () => Promise<void>): void {
    this.timers.push(
      setInterval(() => {
        const done = task().catch((error: unknown) => {
          this.trouble ??= reasonOf(error);
        });
        this.work = Promise.all([this.work, done]);
      }, ms),
    );
  }

  private async seal(): Promise<void> {
    const { outgoing, clock } = this.parts;
    const n = ++this.windowsMade;
    const parts = this.parts.window(n);
    this.late.set(this.parts.windowStart(n), clock.monotonic());
    await outgoing.commitParts(parts, 60, []);
  }

  private async raise(): Promise<void> {
    const n = ++this.raised;
    const time = this.parts.clock.now();
    this.raisedAt.push(time);
    const alert: Alert = {
      id: n.toString(16).padStart(32, '0'),
      revision: 1,
      series: `drill/alarm/${n % 100}`,
      time,
      state: 'open',
      severity: 'warning',
      kind: 'limits',
      value: 150.5,
      expected: { high: 100 },
      text: 'raised by the drill',
    };
    await this.parts.outgoing.commitAlert(alert, []);
  }

  private async look(): Promise<void> {
    const { page, gateway, clock, ends } = this.parts;
    const starts = [...this.late.keys()];
    if (starts.length > 0) {
      const span = `from=${Math.min(...starts)}&to=${Math.max(...starts) + 1}`;
      const asked = ends.map(async (series) => {
        const path = `/api/v1/summaries?gateway=${gateway}&series=${encodeURIComponent(series)}&resolution=60&${span}`;
        const { windows } = await askCloud<SummariesAnswer>(page, path);
        return new Set(windows.map(({ windowStart }) => windowStart));
      });
      const found = await Promise.all(asked);
      const now = clock.monotonic();
      for (const [start, sealed] of this.late) {
        if (!found.every((windows) => windows.has(start))) continue;
        this.late.delete(start);
        this.lateness.push((now - sealed) / 1000);
      }
    }
    const { alerts, cursor } = await askCloud<AlertsAnswer>(page, `/api/v1/alerts?since=${this.cursor}&limit=1000`);
    this.cursor = cursor;
    for (const { committedAt, time, series } of alerts)
      if (series.startsWith('drill/alarm/')) this.latencies.push(committedAt - time);
  }
}
