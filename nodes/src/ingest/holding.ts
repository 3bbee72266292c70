import type { Reading } from '../reading/reading.ts';
import type { Timekeeper } from '../vault/timekeeper.ts';
import { Lane, type LaneOptions } from './lane.ts';
import { Undated } from './undated.ts';

export interface HoldingOptions extends Omit<LaneOptions, 'write'> {
  /** Commits dated readings into the journal under a cause. */
  release: (readings: readonly Reading[], receipts: readonly bigint[], cause: number) => Promise<void>;
}

/** After a failure of the vault, ms. */
const RETRY_MS = 5_000;
/** With so few documents left, what comes in goes into the journal at once again: it overtakes a moment's readings at most. */
const NEARLY_DONE = 2;

/**
 * A source while the time is not known: what needs the gateway's clock is committed and acknowledged, and waits. When the
 * time is known, what waits goes into the journal first, in order, and then what comes in.
 */
export class Holding {
  readonly lane: Lane;
  readonly undated: Undated;
  /** Whether what needs the gateway's clock has to wait. */
  active: boolean;
  private readonly keeper: Timekeeper;
  private readonly options: HoldingOptions;
  private readonly unsubscribe: () => void;
  private draining: Promise<void> | undefined;
  private again = false;
  private closed = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(id: string, keeper: Timekeeper, options: HoldingOptions) {
    this.keeper = keeper;
    this.options = options;
    this.undated = new Undated(id, options.vault, keeper);
    this.lane = new Lane(id, { ...options, write: (batch) => this.undated.hold(batch) });
    this.active = !keeper.state.trusted;
    this.unsubscribe = keeper.onChange(({ trusted }) => {
      if (!trusted) this.active = true;
      this.drain();
    });
    this.drain();
  }

  /** Gives readings with the gateway's clock the monotonic time of the boot. */
  undate(readings: readonly Reading[]): void {
    const offset = this.keeper.wallOffset();
    for (const reading of readings) if (reading.clock === 'gateway') reading.time -= offset;
  }

  /** Dates what can be dated by now. */
  drain(): void {
    this.again = true;
    if (this.closed) return;
    this.draining ??= this.rounds().finally(() => {
      this.draining = undefined;
      if (this.again) this.drain();
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.unsubscribe();
    clearTimeout(this.timer);
    await this.lane.settled();
    await this.draining;
  }

  /** Never rejects. */
  private async rounds(): Promise<void> {
    this.again = false;
    try {
      await this.undated.load();
      while (!this.closed) {
        if (this.active && this.keeper.state.trusted && this.undated.waiting <= NEARLY_DONE) {
          this.active = false;
          // Nobody joins it any more; what has joined is dated in the next round.
          await this.lane.settled();
        }
        const piece = await this.undated.next(this.keeper.datings());
        if (piece === undefined) return;
        const { readings, receipts, upTo } = piece;
        if (readings.length + receipts.length > 0) await this.options.release(readings, receipts, upTo);
        await this.undated.done({ upTo, readings: readings.length });
      }
    } catch (error) {
      this.again = false;
      this.options.report(error);
      this.timer = setTimeout(() => this.drain(), RETRY_MS);
      this.timer.unref();
    }
  }
}
