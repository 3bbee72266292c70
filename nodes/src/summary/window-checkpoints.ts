import type { Reading } from '../reading/reading.ts';
import { Consumer, type Save } from '../vault/consumer.ts';
import type { Change, Vault } from '../vault/vault.ts';
import type { LadderPlan } from './ladder.ts';
import type { Resolution } from './summary.ts';
import { decodeRung, encodeRung, windowsCodec } from './windows-codec.ts';
import type { SeriesWindows } from './windows.ts';

/** Name of the consumer that makes the parts. There is one for a vault, whatever node feeds it. */
export const CONSUMER = 'summary/ladder';

/** Low-watermark of a consumer that waits for nothing: beyond every journal. */
export const RETIRED = 2 ** 52;

/** Where the open windows of a length that is made from a finer one are saved. */
export const rungConsumer = (resolution: Resolution): string => `${CONSUMER}/${resolution}`;

/**
 * The open windows of all series and their checkpoints. What readings change is saved with the position of the last one.
 * A rung that is folded from a finer one is a state of its own and is saved only by a save that comes after a fold into it
 * or a close: it is the same in between, so that all states of a series are of one position although they are not saved
 * together, and hours and days are not written again with every minute.
 */
export class WindowCheckpoints {
  private readonly vault: Vault;
  private readonly consumer: Consumer<SeriesWindows>;

  private constructor(vault: Vault, consumer: Consumer<SeriesWindows>) {
    this.vault = vault;
    this.consumer = consumer;
  }

  static async open(vault: Vault, plan: LadderPlan, monotonic: () => number): Promise<WindowCheckpoints> {
    const consumer = await Consumer.open(vault, CONSUMER, windowsCodec(plan, monotonic));
    const checkpoints = new WindowCheckpoints(vault, consumer);
    const resolutions = new Set<Resolution>();
    for (const [, { ladder }] of consumer.states())
      for (const { resolution, from } of ladder.rungs) if (from !== -1) resolutions.add(resolution);
    for (const resolution of resolutions) await checkpoints.loadRung(resolution, monotonic());
    return checkpoints;
  }

  /** The windows to which this reading is to be added, or undefined when they include it already. */
  take(reading: Reading): SeriesWindows | undefined {
    return this.consumer.take(reading);
  }

  /** Windows by name of series. */
  states(): IterableIterator<[series: string, windows: SeriesWindows]> {
    return this.consumer.states();
  }

  /** As `Consumer.save`, with the rungs of these series that have changed. */
  save(names: readonly string[], now: number): Save {
    const save = this.consumer.save(names, now);
    const saving: [windows: SeriesWindows, rungs: readonly number[]][] = [];
    const rungs = new Map<string, Change[]>();
    for (const name of names) {
      const windows = this.consumer.state(name);
      if (windows === undefined) continue;
      const changed = windows.takeChanged();
      saving.push([windows, changed]);
      for (const rung of changed) {
        const consumer = rungConsumer(windows.ladder.rungs[rung].resolution);
        // It is registered first, since it must not keep any journal.
        const rows = rungs.get(consumer) ?? [{ kind: 'consumer', consumer, replayFrom: RETIRED }];
        const series = this.vault.series.number(name);
        rows.push({ kind: 'checkpoint', consumer, series, position: 0, state: encodeRung(windows, rung) });
        rungs.set(consumer, rows);
      }
    }
    return {
      changes: [...[...rungs.values()].flat(), ...save.changes],
      committed: () => save.committed(),
      failed: () => {
        save.failed();
        for (const [windows, changed] of saving) windows.putBackChanged(changed);
      },
    };
  }

  /** As those of `Consumer`. */
  due(now: number, interval: number, limit: number): string[] {
    return this.consumer.due(now, interval, limit);
  }

  unsavedBelow(below: number): string[] {
    return this.consumer.unsavedBelow(below);
  }

  lagsBelow(below: number): boolean {
    return this.consumer.lagsBelow(below);
  }

  /** A rung of a series whose other windows are not there is left: it is of another time than what will be counted. */
  private async loadRung(resolution: Resolution, monotonic: number): Promise<void> {
    const consumer = rungConsumer(resolution);
    const saved = await this.vault.checkpoints.load(consumer);
    // A vault reads all of its journal again for a consumer whose own record was damaged; this one needs none.
    if (saved !== undefined && saved.replayFrom < RETIRED)
      await this.vault.commit([{ kind: 'consumer', consumer, replayFrom: RETIRED }]);
    for (const { series, state } of saved?.series ?? []) {
      const name = this.vault.series.name(series);
      const windows = name === undefined ? undefined : this.consumer.state(name);
      const rung = windows?.ladder.rungs.findIndex((one) => one.resolution === resolution && one.from !== -1) ?? -1;
      if (windows !== undefined && rung !== -1) decodeRung(state, windows, rung, monotonic);
    }
  }
}
