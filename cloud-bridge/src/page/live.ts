import type { ChangeEvent } from '../api/contract.ts';

export type Connection = 'connecting' | 'live' | 'lost';
/** `all` after the connection came back: anything may have changed meanwhile. */
export type Change = ChangeEvent | { kind: 'all'; gateway: null };

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;

/** The cloud's stream of changes, kept open: reconnects with growing pauses and says how it stands. */
export class Live {
  private source: EventSource | null = null;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private failures = 0;
  private state: Connection = 'connecting';
  private readonly changes = new Set<(change: Change) => void>();
  private readonly states = new Set<(state: Connection) => void>();

  get connection(): Connection {
    return this.state;
  }

  start(): void {
    this.open();
  }

  stop(): void {
    this.source?.close();
    if (this.retry !== null) clearTimeout(this.retry);
    this.source = null;
    this.retry = null;
  }

  /** Tries at once instead of when the pause is over. */
  tryNow(): void {
    if (this.state !== 'lost') return;
    if (this.retry !== null) clearTimeout(this.retry);
    this.open();
  }

  /** Calls back on every change; returns how to end that. */
  onChange(listener: (change: Change) => void): () => void {
    this.changes.add(listener);
    return () => void this.changes.delete(listener);
  }

  onConnection(listener: (state: Connection) => void): () => void {
    this.states.add(listener);
    return () => void this.states.delete(listener);
  }

  private open(): void {
    this.source?.close();
    this.retry = null;
    const source = new EventSource('/api/v1/events');
    this.source = source;
    source.addEventListener('open', () => {
      const wasLost = this.failures > 0;
      this.failures = 0;
      this.become('live');
      if (wasLost) this.tell({ kind: 'all', gateway: null });
    });
    source.addEventListener('change', (event: MessageEvent<string>) => {
      const change: Change = JSON.parse(event.data);
      this.tell(change);
    });
    source.addEventListener('error', () => this.failed(source));
  }

  /** EventSource retries some failures by itself and not others; here every one is retried, with full jitter. */
  private failed(source: EventSource): void {
    if (source !== this.source) return;
    source.close();
    this.failures++;
    this.become('lost');
    const pause = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.failures - 1));
    this.retry = setTimeout(() => this.open(), 250 + Math.random() * pause);
  }

  private become(state: Connection): void {
    if (state === this.state) return;
    this.state = state;
    for (const listener of this.states) listener(state);
  }

  private tell(change: Change): void {
    for (const listener of this.changes) listener(change);
  }
}

/** The page has one. */
export const live = new Live();
