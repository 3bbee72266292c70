import type { ServerResponse } from 'node:http';

import { ChangeThrottle } from './change-throttle.ts';
import type { ChangeEvent } from './contract.ts';

/** Pages that may listen at one time. */
export const MAX_LISTENERS = 128;
/** Bytes that may wait for one of them; a slower one is dropped, and connects again. */
const MAX_WAITING_BYTES = 65_536;
const HEARTBEAT_MS = 15_000;
const DUE_MS = 250;

/** Tells pages that something changed, as server-sent events (WHATWG HTML, section 9.2). */
export class Events {
  private readonly listeners = new Set<ServerResponse>();
  private readonly throttle = new ChangeThrottle();
  private timers: NodeJS.Timeout[] = [];

  start(): void {
    this.timers = [
      setInterval(() => this.send(this.throttle.due(performance.now())), DUE_MS),
      setInterval(() => this.write(': still here\n\n'), HEARTBEAT_MS),
    ];
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
    for (const response of this.listeners) response.destroy();
    this.listeners.clear();
  }

  get full(): boolean {
    return this.listeners.size >= MAX_LISTENERS;
  }

  /** Takes over a response whose head is not sent yet. */
  add(response: ServerResponse): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      // A proxy that gathers the answer would keep the page waiting for ever.
      'x-accel-buffering': 'no',
    });
    response.write('retry: 2000\n\n');
    this.listeners.add(response);
    response.once('close', () => this.listeners.delete(response));
    response.once('error', () => this.listeners.delete(response));
  }

  changed(change: ChangeEvent): void {
    this.send(this.throttle.offer(change, performance.now()));
  }

  private send(changes: readonly ChangeEvent[]): void {
    if (changes.length === 0) return;
    this.write(changes.map((change) => `event: change\ndata: ${JSON.stringify(change)}\n\n`).join(''));
  }

  private write(text: string): void {
    for (const response of this.listeners) {
      if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
      else response.write(text);
    }
  }
}
