import { outgoingOf } from '@tidegate/nodes/sync';
import type { Reading } from '@tidegate/nodes/reading';
import type { Vault } from '@tidegate/nodes/vault';
import { LadderPlan } from '../../nodes/src/summary/ladder.ts';
import { OwnedSummarizer } from '../../nodes/src/summary/owned-summarizer.ts';
import { DEFAULT_LADDER, parseResolutions } from '../../nodes/src/summary/stream.ts';

/** As tide-summarize has them unless it is told otherwise, milliseconds. */
const GRACE = 2_000;
const SAVE_INTERVAL = 600_000;

/**
 * The summarizer of the shipped flow at simulated time: it ticks after each batch, and what it seals is acknowledged as by
 * a cloud that keeps up. Its commits wait for the next batch of readings, as a vault with a commit delay has them wait.
 */
export class SummarizedVault {
  private readonly vault: WaitingVault;
  private readonly progress: { time: number; closed: boolean };
  private readonly summarizer: OwnedSummarizer;
  private ticking: Promise<void> | undefined;
  private failure: unknown;

  /** `progress`: the time, and whether windows were closed since the blocks were acknowledged the last time. */
  private constructor(vault: WaitingVault, progress: { time: number; closed: boolean }, summarizer: OwnedSummarizer) {
    this.vault = vault;
    this.progress = progress;
    this.summarizer = summarizer;
  }

  static async open(opened: Vault): Promise<SummarizedVault> {
    const vault = waiting(opened);
    const progress = { time: 0, closed: false };
    const resolutions = parseResolutions(DEFAULT_LADDER);
    if (typeof resolutions === 'string') throw new Error(resolutions);
    const outgoing = await outgoingOf(vault);
    await outgoing.grant('#');
    const summarizer = await OwnedSummarizer.open(
      {
        vault,
        outgoing,
        owner: 'bench',
        plan: new LadderPlan(resolutions),
        grace: GRACE,
        saveInterval: SAVE_INTERVAL,
        clock: { now: () => progress.time, monotonic: () => progress.time },
      },
      {
        closed: () => (progress.closed = true),
        refused: (_reading, error) => {
          throw error;
        },
      },
    );
    vault.waits = true;
    return new SummarizedVault(vault, progress, summarizer);
  }

  /** To be called right before readings are committed: what waits is committed with them. */
  release(): void {
    this.vault.release();
  }

  /** Takes in readings that were committed from `first` on, and ticks; `time` is when, epoch milliseconds. */
  take(readings: readonly Reading[], first: number, time: number): void {
    this.progress.time = time;
    for (const [i, reading] of readings.entries()) this.summarizer.add({ ...reading, position: first + i });
    this.ticking ??= this.tick().finally(() => (this.ticking = undefined));
  }

  /** Resolves when what the last tick began is on the disk; throws what went wrong since the last call. */
  async settled(): Promise<void> {
    this.vault.waits = false;
    this.release();
    await this.ticking;
    this.vault.waits = true;
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }

  private async tick(): Promise<void> {
    try {
      await this.summarizer.tick();
      if (!this.progress.closed) return;
      this.progress.closed = false;
      const streams = await this.vault.outbox.streams();
      await this.vault.commit(
        streams.map(({ stream, lowest, highest }) => ({
          kind: 'blocks-acknowledged',
          stream,
          ranges: [[lowest, highest]],
        })),
      );
    } catch (error) {
      this.failure ??= error;
    }
  }
}

interface WaitingVault extends Vault {
  /** Commits wait for `release`. */
  waits: boolean;
  release(): void;
}

function waiting(vault: Vault): WaitingVault {
  const released: (() => void)[] = [];
  const waiting: Pick<WaitingVault, 'waits' | 'release' | 'commit'> = {
    waits: false,
    release: () => {
      for (const go of released.splice(0)) go();
    },
    commit: async (changes) => {
      if (waiting.waits) await new Promise<void>((resolve) => released.push(resolve));
      return vault.commit(changes);
    },
  };
  return Object.assign(Object.create(vault) as Vault, waiting);
}
