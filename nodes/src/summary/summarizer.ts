import type { Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import type { Reading } from '../reading/reading.ts';
import type { Outgoing } from '../sync/outgoing.ts';
import { Consumer, type Save } from '../vault/consumer.ts';
import type { Change, Vault } from '../vault/vault.ts';
import type { Part, Resolution } from './summary.ts';
import { SeriesWindows, windowsCodec, type OpenWindow } from './windows.ts';

export interface SummarizerOptions {
  vault: Vault;
  outgoing: Pick<Outgoing, 'commitParts'>;
  resolution: Resolution;
  /** How long a window waits for late readings, milliseconds. */
  grace: number;
  clock: Clock;
  /** Where a summarizer of this resolution that was retired has to go on; undefined when none was. */
  wakeAt?: number;
  /** Open windows of all series together; beyond it those that were quiet the longest close. */
  maxOpen?: number;
}

/** A part that is in the vault for good, with the name of its series. */
export interface ClosedPart extends Part {
  name: string;
}

export interface SummarizerEvents {
  /** Called after the commit. `withheld` of the parts stay here, since no grant lets them leave. */
  closed(parts: readonly ClosedPart[], withheld: number): void;
  /** A number that no summary can hold came and was counted as bad. */
  refused(reading: Reading, error: TideError): void;
}

export const DEFAULT_MAX_OPEN = 50_000;

/** Low-watermark of a consumer that waits for nothing: beyond every journal. */
const RETIRED = 2 ** 52;

/** Parts in one commit: few enough that preparing them does not hold up the event loop. */
const PARTS_PER_COMMIT = 250;

/** Name of the consumer that makes the parts of a resolution. There is one for a vault, whatever node feeds it. */
export function consumerOf(resolution: Resolution): string {
  return `summary/${resolution}`;
}

/**
 * Turns the readings of all series into the parts of one resolution. A part and the checkpoint that says which readings
 * are in it are one commit, so that a reading is in exactly one part whatever stops in between.
 */
export class Summarizer {
  readonly resolution: Resolution;
  private readonly options: SummarizerOptions;
  private readonly events: SummarizerEvents;
  private readonly consumer: Consumer<SeriesWindows>;
  private readonly length: number;
  private open = 0;
  private forced = false;
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(options: SummarizerOptions, events: SummarizerEvents, consumer: Consumer<SeriesWindows>) {
    this.options = options;
    this.events = events;
    this.consumer = consumer;
    this.resolution = options.resolution;
    this.length = options.resolution * 1000;
    for (const [, windows] of consumer.states()) this.open += windows.open.length;
  }

  static async open(options: SummarizerOptions, events: SummarizerEvents): Promise<Summarizer> {
    const { vault, resolution, clock, wakeAt } = options;
    const id = consumerOf(resolution);
    if (wakeAt !== undefined) await vault.commit([{ kind: 'consumer', consumer: id, replayFrom: wakeAt }]);
    const codec = windowsCodec(() => clock.monotonic());
    return new Summarizer(options, events, await Consumer.open(vault, id, codec));
  }

  get openWindows(): number {
    return this.open;
  }

  /** More windows are open than there should be: `close` before adding more. */
  get pressed(): boolean {
    return this.forced;
  }

  /** Adds a reading to its window, unless it was added before. It needs its journal position. */
  add(reading: Reading): void {
    const windows = this.consumer.take(reading);
    if (windows === undefined) return;
    if (reading.stale === true) {
      windows.stale++;
      return;
    }
    const opened = windows.add(reading, this.length, this.options.clock.monotonic(), (error) =>
      this.events.refused(reading, error),
    );
    if (opened === 0) return;
    this.open += opened;
    if (windows.open[0].forced) this.forced = true;
    if (this.open > (this.options.maxOpen ?? DEFAULT_MAX_OPEN)) this.forceQuietest();
  }

  /** Commits the parts of all windows that are due. When a commit fails its windows stay open, and this rejects. */
  close(): Promise<void> {
    const { grace, clock } = this.options;
    return this.inTurn(() =>
      this.closeBy((windows) =>
        windows.takeDue({ length: this.length, grace, now: clock.now(), monotonic: clock.monotonic() }),
      ),
    );
  }

  /** Commits the parts of all windows, due or not. */
  closeAll(): Promise<void> {
    return this.inTurn(() => this.closeBy((windows) => windows.takeAll()));
  }

  /** Saves at most `limit` series whose state has waited unsaved for `interval` milliseconds. Returns how many. */
  saveDue(interval: number, limit: number): Promise<number> {
    return this.inTurn(async () => {
      const names = this.consumer.due(this.options.clock.now(), interval, limit);
      if (names.length === 0) return 0;
      await this.commit(this.consumer.save(names, this.options.clock.now()), (save) =>
        this.options.vault.commit(save.changes),
      );
      return names.length;
    });
  }

  /**
   * Saves, at most `limit` series in one commit, what keeps the vault from letting go of readings below a position. Readings
   * are added and windows close meanwhile.
   */
  async saveBelow(below: number, limit: number): Promise<void> {
    const { clock, vault } = this.options;
    const save = (some: readonly string[]): Promise<void> =>
      this.inTurn(() => this.commit(this.consumer.save(some, clock.now()), ({ changes }) => vault.commit(changes)));
    // Those of now, once: where a replay is under way more of them come all the time.
    const names = this.consumer.unsavedBelow(below);
    for (let i = 0; i < names.length; i += limit) await save(names.slice(i, i + limit));
    if (this.consumer.lagsBelow(below)) await save([]);
  }

  /** Saves everything; what is open goes on after a restart. */
  async save(): Promise<void> {
    while ((await this.saveDue(0, PARTS_PER_COMMIT)) > 0);
  }

  /**
   * Closes everything and retires. What was counted of each series stays known, so that a successor counts nothing twice,
   * but no door reads anything again for it. `lasting` are the changes that keep the position to wake it at.
   */
  async retire(lasting: (wakeAt: number) => Change[]): Promise<void> {
    await this.closeAll();
    await this.save();
    await this.inTurn(async () => {
      const { changes } = this.consumer.save([], this.options.clock.now());
      const watermark = changes.find((change) => change.kind === 'consumer');
      if (watermark === undefined) throw new TypeError('a save without a low-watermark');
      await this.options.vault.commit([...lasting(watermark.replayFrom), { ...watermark, replayFrom: RETIRED }]);
    });
  }

  private async closeBy(take: (windows: SeriesWindows) => OpenWindow[]): Promise<void> {
    for (;;) {
      const taken = this.take(take);
      if (taken.length === 0) break;
      const parts = taken.flatMap(({ name, due }) => this.partsOf(name, due));
      const names = taken.map(({ name }) => name);
      let withheld = 0;
      try {
        // The save is made in the same breath as the windows are taken out: it holds the series without them.
        await this.commit(this.consumer.save(names, this.options.clock.now()), async ({ changes }) => {
          ({ withheld } = await this.options.outgoing.commitParts(parts, this.resolution, changes));
        });
      } catch (error) {
        for (const { windows, due } of taken) for (const window of due) this.putBack(windows, window);
        throw error;
      }
      this.events.closed(parts, withheld);
    }
    this.forced = false;
  }

  private take(
    take: (windows: SeriesWindows) => OpenWindow[],
  ): { name: string; windows: SeriesWindows; due: OpenWindow[] }[] {
    const taken = [];
    let count = 0;
    for (const [name, windows] of this.consumer.states()) {
      if (windows.open.length === 0) continue;
      const due = take(windows);
      if (due.length === 0) continue;
      taken.push({ name, windows, due });
      count += due.length;
      if (count >= PARTS_PER_COMMIT) break;
    }
    this.open -= count;
    return taken;
  }

  private partsOf(name: string, due: readonly OpenWindow[]): ClosedPart[] {
    const series = this.options.vault.series.number(name);
    return due.map(({ start, gathered }) => ({ name, series, windowStart: start, summary: gathered.summary() }));
  }

  private putBack(windows: SeriesWindows, window: OpenWindow): void {
    const before = windows.open.length;
    windows.putBack(window);
    this.open += windows.open.length - before;
  }

  /** Forces a tenth of the windows, those that were quiet the longest. */
  private forceQuietest(): void {
    if (this.forced) return;
    const all: OpenWindow[] = [];
    for (const [, { open }] of this.consumer.states()) all.push(...open);
    const quietest = all.toSorted((a, b) => a.touched - b.touched).slice(0, Math.ceil(all.length / 10));
    for (const window of quietest) window.forced = true;
    this.forced = true;
  }

  private async commit(save: Save, commit: (save: Save) => Promise<unknown>): Promise<void> {
    try {
      await commit(save);
    } catch (error) {
      save.failed();
      throw error;
    }
    save.committed();
  }

  /**
   * One commit at a time: were a series saved a second time while its first save is under way and then fails, the second
   * would say that readings are in a part that is nowhere.
   */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.turn.then(work);
    this.turn = turn.catch(() => undefined);
    return turn;
  }
}
