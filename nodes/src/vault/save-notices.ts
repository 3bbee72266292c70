/** Between two notices: the first ones, and where they change nothing, e.g. since a node is stopped; milliseconds. */
const FIRST_PAUSE_MS = 3_000;
const LONGEST_PAUSE_MS = 5 * 60_000;

export interface SaveNoticeOptions {
  /** Calls back later; returns the canceller. */
  after: (ms: number, callback: () => void) => () => void;
  /** Position up to which the vault wants consumers to have saved, undefined when it does not. */
  ask: () => Promise<number | undefined>;
  tell: (below: number) => void;
}

/** Passes on that the vault wants consumers to save, for as long as it does, and not too often. */
export class SaveNotices {
  private readonly options: SaveNoticeOptions;
  private cancel: (() => void) | undefined;
  private pause = FIRST_PAUSE_MS;
  private told: number | undefined;
  private closed = false;

  constructor(options: SaveNoticeOptions) {
    this.options = options;
  }

  /** What the engine said with its last answer. */
  heard(below: number | undefined): void {
    // After a notice the pause decides when the next one comes.
    if (below === undefined || this.cancel !== undefined || this.closed) return;
    this.tell(below);
  }

  close(): void {
    this.closed = true;
    this.cancel?.();
    this.cancel = undefined;
  }

  private tell(below: number): void {
    this.pause = below === this.told ? Math.min(2 * this.pause, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
    this.told = below;
    this.cancel = this.options.after(this.pause, () => void this.lookAgain());
    this.options.tell(below);
  }

  /** Never rejects: a vault that does not answer is closing, or tells those who write to it. */
  private async lookAgain(): Promise<void> {
    const below = await this.options.ask().catch(() => undefined);
    this.cancel = undefined;
    if (below === undefined) this.told = undefined;
    else if (!this.closed) this.tell(below);
  }
}
