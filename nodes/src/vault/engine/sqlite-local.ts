import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock, type Clock } from '../../node/clock.ts';
import type { EngineCalls, EngineChannel } from '../engine.ts';
import { SqliteEngine } from './sqlite-engine.ts';
import { engineError } from '../catalogue/sqlite-schema.ts';
import { VaultClient } from '../vault-client.ts';
import type { Vault, VaultOptions } from '../vault.ts';

/** How long a commit waits for a writer in another process before it fails with `busy`. */
const PATIENCE_MS = 60_000;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;
/** While one write follows another, what goes on in the background gets a turn at least that often. */
const LONGEST_REST_MS = 20;

/** An engine on this very thread. Between its tries to write it answers readers, and goes on in the background. */
export class LocalEngine implements EngineChannel {
  private readonly engine: SqliteEngine;
  private readonly directory: string;
  private timer: NodeJS.Timeout | undefined;
  private wentOnAt = 0;

  constructor(options: VaultOptions, clock: Clock) {
    this.directory = options.directory;
    this.engine = new SqliteEngine(options, clock);
  }

  async call<Method extends keyof EngineCalls>(
    method: Method,
    parameters: Parameters<EngineCalls[Method]>,
  ): Promise<ReturnType<EngineCalls[Method]>> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- parameters and result belong to this very method
    const run = this.engine[method] as (...all: typeof parameters) => ReturnType<EngineCalls[Method]>;
    if (method === 'close') this.rest();
    try {
      const result = await this.whenFree(() => run.apply(this.engine, parameters));
      if (method === 'open') this.schedule(0);
      else if (method === 'requestFold') this.schedule(0);
      // One write after the other would leave timers no turn.
      else if (method === 'write' && systemClock.monotonic() - this.wentOnAt > LONGEST_REST_MS) this.goOn();
      return result;
    } catch (error) {
      throw engineError(error, this.directory);
    }
  }

  private schedule(delay: number): void {
    this.rest();
    this.timer = setTimeout(() => this.goOn(), delay);
    // Nobody waits for it: a process that has nothing else to do may end.
    this.timer.unref();
  }

  private rest(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private goOn(): void {
    this.wentOnAt = systemClock.monotonic();
    const pause = this.engine.maintain();
    if (pause !== undefined) this.schedule(pause);
  }

  /** A call that finds the database busy has done nothing, so it can be made again. */
  private async whenFree<Result>(run: () => Result): Promise<Result> {
    const deadline = systemClock.monotonic() + PATIENCE_MS;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        return run();
      } catch (error) {
        if (engineError(error, this.directory).code !== 'busy' || systemClock.monotonic() > deadline) throw error;
      }
      await sleep(pause);
    }
  }
}

/** A vault whose engine runs on the caller's thread: for tools, and as the second implementation in the contract suite. */
export async function openLocalVault(options: VaultOptions, clock: Clock = systemClock): Promise<Vault> {
  return VaultClient.open({
    channel: new LocalEngine(options, clock),
    clock,
    commitDelayMs: options.commitDelayMs ?? 0,
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
  });
}
