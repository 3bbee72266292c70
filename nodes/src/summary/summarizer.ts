import type { Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import type { Reading } from '../reading/reading.ts';
import type { Outgoing } from '../sync/outgoing.ts';
import type { Save } from '../vault/consumer.ts';
import type { Change, Vault } from '../vault/vault.ts';
import { DueTimes } from './due-times.ts';
import type { Ladder, LadderPlan } from './ladder.ts';
import type { OpenWindow } from './open-window.ts';
import type { Part, Resolution } from './summary.ts';
import { CONSUMER, RETIRED, WindowCheckpoints } from './window-checkpoints.ts';
import type { SeriesWindows, Taken } from './windows.ts';

export interface SummarizerOptions {
  vault: Vault;
  outgoing: Pick<Outgoing, 'commitParts'>;
  /** Which windows each series gets. */
  plan: LadderPlan;
  /** How long a window waits for late readings, milliseconds. */
  grace: number;
  clock: Clock;
  /** Where one that was retired has to go on; undefined when none was. */
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
  closed(resolution: Resolution, parts: readonly ClosedPart[], withheld: number): void;
  /** A number that no summary can hold came and was counted as bad. */
  refused(reading: Reading, error: TideError): void;
}

export const DEFAULT_MAX_OPEN = 50_000;

/** Parts in one commit: few enough that preparing them does not hold up the event loop. */
const PARTS_PER_COMMIT = 250;

/**
 * Turns the readings of all series into parts of all resolutions. A part, the checkpoint that says which readings are in
 * it and its share of the coarser windows are one commit, so that a reading is in exactly one part of each resolution
 * whatever stops in between.
 */
export class Summarizer {
  private readonly options: SummarizerOptions;
  private readonly events: SummarizerEvents;
  private readonly checkpoints: WindowCheckpoints;
  private open = 0;
  private forced = false;
  private readonly due = new DueTimes();
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(options: SummarizerOptions, events: SummarizerEvents, checkpoints: WindowCheckpoints) {
    this.options = options;
    this.events = events;
    this.checkpoints = checkpoints;
    for (const [, windows] of checkpoints.states()) this.open += windows.size;
  }

  /** Takes up what was saved. Windows of series whose ladder is another one now close at once. */
  static async open(options: SummarizerOptions, events: SummarizerEvents): Promise<Summarizer> {
    const { vault, plan, clock, wakeAt } = options;
    if (wakeAt !== undefined) await vault.commit([{ kind: 'consumer', consumer: CONSUMER, replayFrom: wakeAt }]);
    const checkpoints = await WindowCheckpoints.open(vault, plan, () => clock.monotonic());
    const summarizer = new Summarizer(options, events, checkpoints);
    await summarizer.adoptPlan();
    return summarizer;
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
    const windows = this.checkpoints.take(reading);
    if (windows === undefined) return;
    if (reading.stale === true) {
      windows.stale++;
      return;
    }
    const opened = windows.add(reading, this.options.clock.monotonic(), (error) => this.events.refused(reading, error));
    if (opened === 0) return;
    this.open += opened;
    for (const rung of windows.ladder.roots) {
      const { resolution, length } = windows.ladder.rungs[rung];
      this.due.note(resolution, Math.floor(reading.time / length) * length + length);
    }
    if (windows.ladder.roots.some((rung) => windows.open(rung)[0].forced)) this.forced = true;
    if (this.open > (this.options.maxOpen ?? DEFAULT_MAX_OPEN)) this.forceQuietest();
  }

  /** Commits the parts of all windows that are due. When a commit fails its windows stay open, and this rejects. */
  close(): Promise<void> {
    const { grace, clock } = this.options;
    return this.inTurn(() =>
      this.closeBy(
        (windows, resolution) => windows.takeDue(resolution, { grace, now: clock.now(), monotonic: clock.monotonic() }),
        (resolution) => this.forced || this.due.mayHaveEnded(resolution, clock.now() - grace),
      ),
    );
  }

  /** Commits the parts of all windows, due or not. */
  closeAll(): Promise<void> {
    const { clock } = this.options;
    return this.inTurn(() => this.closeBy((windows, resolution) => windows.takeAll(resolution, clock.monotonic())));
  }

  /** Saves at most `limit` series whose state has waited unsaved for `interval` milliseconds. Returns how many. */
  saveDue(interval: number, limit: number): Promise<number> {
    return this.inTurn(async () => {
      const names = this.checkpoints.due(this.options.clock.now(), interval, limit);
      if (names.length === 0) return 0;
      await this.commit(this.checkpoints.save(names, this.options.clock.now()), (save) =>
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
      this.inTurn(() => this.commit(this.checkpoints.save(some, clock.now()), ({ changes }) => vault.commit(changes)));
    // Those of now, once: where a replay is under way more of them come all the time.
    const names = this.checkpoints.unsavedBelow(below);
    for (let i = 0; i < names.length; i += limit) await save(names.slice(i, i + limit));
    if (this.checkpoints.lagsBelow(below)) await save([]);
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
      const { changes } = this.checkpoints.save([], this.options.clock.now());
      const watermark = changes.find((change) => change.kind === 'consumer');
      if (watermark === undefined) throw new TypeError('a save without a low-watermark');
      await this.options.vault.commit([...lasting(watermark.replayFrom), { ...watermark, replayFrom: RETIRED }]);
    });
  }

  private adoptPlan(): Promise<void> {
    const { plan, clock } = this.options;
    const changed = [...this.checkpoints.states()].filter(([name, { ladder }]) => plan.for(name) !== ladder);
    const stale = new Set(changed.map(([, windows]) => windows));
    return this.inTurn(async () => {
      await this.closeBy((windows, resolution) =>
        stale.has(windows) ? windows.takeAll(resolution, clock.monotonic()) : undefined,
      );
      for (const [name, windows] of changed) windows.adopt(plan.for(name));
    });
  }

  /** Finest windows first: what closes there is folded into the coarser ones before these are looked at. */
  private async closeBy(
    take: (windows: SeriesWindows, resolution: Resolution) => Taken | undefined,
    mayBeDue: (resolution: Resolution) => boolean = () => true,
  ): Promise<void> {
    for (const resolution of this.resolutions())
      if (mayBeDue(resolution)) await this.closeRung(resolution, (windows) => take(windows, resolution));
    this.forced = false;
  }

  private async closeRung(resolution: Resolution, take: (windows: SeriesWindows) => Taken | undefined): Promise<void> {
    const states = this.checkpoints.states();
    this.due.begin(resolution);
    for (;;) {
      const all = this.take(states, resolution, take);
      if (all.length === 0) return;
      const parts = all.flatMap(({ name, taken }) => this.partsOf(name, taken));
      const names = all.map(({ name }) => name);
      let withheld = 0;
      try {
        // The save is made in the same breath as the windows are taken out: it holds the series without them.
        await this.commit(this.checkpoints.save(names, this.options.clock.now()), async ({ changes }) => {
          ({ withheld } = await this.options.outgoing.commitParts(parts, resolution, changes));
        });
      } catch (error) {
        this.due.forget(resolution);
        for (const { windows, taken } of all) this.putBack(windows, taken);
        throw error;
      }
      this.events.closed(resolution, parts, withheld);
    }
  }

  /** Lengths of all windows that may be open, ascending. */
  private resolutions(): Resolution[] {
    const ladders = new Set<Ladder>();
    for (const [, { ladder }] of this.checkpoints.states()) ladders.add(ladder);
    const resolutions = [...ladders].flatMap(({ rungs }) => rungs.map(({ resolution }) => resolution));
    return [...new Set(resolutions)].toSorted((a, b) => a - b);
  }

  /** Windows of the next series, as many as one commit takes. */
  private take(
    states: Iterator<[name: string, windows: SeriesWindows]>,
    resolution: Resolution,
    take: (windows: SeriesWindows) => Taken | undefined,
  ): { name: string; windows: SeriesWindows; taken: Taken }[] {
    const all = [];
    let count = 0;
    while (count < PARTS_PER_COMMIT) {
      const { done, value } = states.next();
      if (done === true) break;
      const [name, windows] = value;
      const before = windows.size;
      const taken = before === 0 ? undefined : take(windows);
      this.due.note(resolution, windows.earliestEnd(resolution));
      if (taken === undefined) continue;
      all.push({ name, windows, taken });
      this.open += windows.size - before;
      count += taken.closed.length;
      for (const { rung, window } of taken.folds) {
        const coarser = windows.ladder.rungs[rung];
        this.due.note(coarser.resolution, window.start + coarser.length);
      }
    }
    return all;
  }

  private partsOf(name: string, { closed }: Taken): ClosedPart[] {
    const series = this.options.vault.series.number(name);
    return closed.map(({ window, summary }) => ({ name, series, windowStart: window.start, summary }));
  }

  private putBack(windows: SeriesWindows, taken: Taken): void {
    const before = windows.size;
    windows.putBack(taken);
    this.open += windows.size - before;
  }

  /** Forces a tenth of the windows, those that were quiet the longest. */
  private forceQuietest(): void {
    if (this.forced) return;
    const all: OpenWindow[] = [];
    for (const [, windows] of this.checkpoints.states()) all.push(...windows.all());
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
