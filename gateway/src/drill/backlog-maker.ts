import os from 'node:os';

import type { Change, Vault } from '@tidegate/nodes/vault';

import { grouped } from '../replay/progress.ts';
import { DrillThread } from './file-threads.ts';
import type { BacklogAsk, MadeBlocks } from './threads.ts';

const HOUR = 3_600_000;
/** Hours that each thread makes ahead of the vault. */
const AHEAD = 2;
const MAX_THREADS = 4;

/** Fills a vault's outbox with what closes within a span of time, made by threads of its own. */
export class BacklogMaker {
  private readonly vault: Vault;
  private readonly data: { series: readonly number[]; purpose: string };
  private threads: DrillThread<BacklogAsk>[] = [];

  constructor(vault: Vault, series: readonly number[], purpose: string) {
    this.vault = vault;
    this.data = { series, purpose };
  }

  /** From and to are whole days, epoch milliseconds. Rejects with the signal's reason. */
  async make(
    from: number,
    to: number,
    progress: (share: number, facts: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const count = Math.max(1, Math.min(MAX_THREADS, os.availableParallelism()));
    for (let i = 0; i < count; i++) this.threads.push(await DrillThread.start<BacklogAsk>('backlog-worker', this.data));
    const hours = (to - from) / HOUR;
    const asked: Promise<unknown>[] = [];
    let blocks = 0;
    for (let hour = 0; hour < hours; hour++) {
      while (asked.length < count * AHEAD && hour + asked.length < hours)
        asked.push(this.ask((hour + asked.length) % count, from + (hour + asked.length) * HOUR));
      const made = (await asked.shift()) as MadeBlocks;
      signal.throwIfAborted();
      await this.vault.commit(made.map((block): Change => ({ kind: 'block', ...block })));
      blocks += made.length;
      progress((hour + 1) / hours, `${grouped(blocks)} blocks`);
    }
  }

  async close(): Promise<void> {
    const threads = this.threads;
    this.threads = [];
    await Promise.all(threads.map((thread) => thread.close()));
  }

  /** A thread that fails is heard of when its answer is waited for. */
  private ask(thread: number, hour: number): Promise<unknown> {
    const answer = this.threads[thread].ask({ hour });
    answer.catch(() => undefined);
    return answer;
  }
}
