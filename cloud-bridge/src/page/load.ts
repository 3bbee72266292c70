import { useEffect, useRef, useState } from 'preact/hooks';

import { RequestError } from './api.ts';
import { live, type Change, type Connection } from './live.ts';

export interface Loaded<Data> {
  /** The newest answer; kept while a later request fails. */
  data: Data | null;
  /** Why the newest request failed, in words; null when it did not. */
  error: string | null;
  reload: () => void;
}

/** Fewest milliseconds from one answer to the next request. */
const BREATH_MS = 400;

/**
 * Keeps an answer of the cloud up to date: asks at once, when a change that concerns it is told, and every `every`
 * milliseconds. One request at a time; what changes meanwhile leads to one more. A hidden page asks nothing.
 */
class Keeper<Data> {
  private readonly fetch: (signal: AbortSignal) => Promise<Data>;
  private readonly show: (data: Data | null, error: string | null) => void;
  private readonly ended = new AbortController();
  private busy = false;
  private stale = false;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(fetch: (signal: AbortSignal) => Promise<Data>, show: (data: Data | null, error: string | null) => void) {
    this.fetch = fetch;
    this.show = show;
  }

  start(concerns: (change: Change) => boolean, every: number): void {
    const { signal } = this.ended;
    signal.addEventListener(
      'abort',
      live.onChange((change) => {
        if (change.kind === 'all' || concerns(change)) this.refresh();
      }),
    );
    document.addEventListener('visibilitychange', () => this.stale && this.refresh(), { signal });
    const poll = setInterval(() => this.refresh(), every);
    signal.addEventListener('abort', () => clearInterval(poll));
    this.refresh();
  }

  stop(): void {
    this.ended.abort();
    if (this.timer !== null) clearTimeout(this.timer);
  }

  refresh(): void {
    this.stale = true;
    if (this.busy || this.timer !== null || this.ended.signal.aborted || document.hidden) return;
    this.busy = true;
    this.stale = false;
    void this.ask();
  }

  private async ask(): Promise<void> {
    try {
      const data = await this.fetch(this.ended.signal);
      if (!this.ended.signal.aborted) this.show(data, null);
    } catch (error) {
      if (!this.ended.signal.aborted) this.show(null, inWords(error));
    }
    this.busy = false;
    this.timer = setTimeout(() => {
      this.timer = null;
      if (this.stale) this.refresh();
    }, BREATH_MS);
  }
}

/** An answer of the cloud, kept up to date; asked anew when one of `about` changes (the old one stays until then). */
export function useLoad<Data>(
  fetch: (signal: AbortSignal) => Promise<Data>,
  about: readonly unknown[],
  concerns: (change: Change) => boolean,
  every = 30_000,
): Loaded<Data> {
  const [state, setState] = useState<{ data: Data | null; error: string | null }>({ data: null, error: null });
  const keeper = useRef<Keeper<Data> | null>(null);
  useEffect(() => {
    const own = new Keeper<Data>(fetch, (data, error) =>
      setState((previous) => ({ data: data ?? previous.data, error })),
    );
    keeper.current = own;
    own.start(concerns, every);
    return () => own.stop();
  }, about);
  return { ...state, reload: () => keeper.current?.refresh() };
}

export function useConnection(): Connection {
  const [connection, setConnection] = useState<Connection>(live.connection);
  useEffect(() => {
    setConnection(live.connection);
    return live.onConnection(setConnection);
  }, []);
  return connection;
}

/** The time, renewed every `every` milliseconds while the page is to be seen. */
export function useNow(every: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setNow(Date.now());
    }, every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

export function inWords(error: unknown): string {
  if (error instanceof RequestError) return error.message;
  return error instanceof Error ? error.message : String(error);
}
