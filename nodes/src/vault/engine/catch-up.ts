import type { Clock } from '../../node/clock.ts';
import { decodeBatch } from '../batch-codec.ts';
import { destroyedBelow, isDestroyed, type Destroyed } from '../destroyed.ts';
import type { Finding } from '../disk.ts';
import type { JournalLog } from '../journal/journal-log.ts';
import type { ReadingStore } from '../readings/reading-store.ts';
import type { BoxEntry } from './boxes.ts';
import { damagedBoxes, readRecord, type ReadRecord } from './redo.ts';
import type { LostReadings } from './lost-readings.ts';

interface CatchUpOptions {
  log: JournalLog;
  readings: ReadingStore;
  clock: Clock;
  /** The first record that no segment includes. */
  from: number;
  /** What was shredded does not come back, also where what is known of segments was lost. */
  destroyed: readonly Destroyed[];
  onDamage: (finding: Finding, lost: LostReadings | undefined) => void;
}

/**
 * After a start the readings that no segment holds yet are taken into the open chunks again, a slice at a time: doors
 * are open meanwhile, and what is committed now waits in the journal for its turn.
 */
export class CatchUp {
  private readonly log: JournalLog;
  private readonly readings: ReadingStore;
  private readonly clock: Clock;
  private readonly destroyed: readonly Destroyed[];
  private readonly onDamage: (finding: Finding, lost: LostReadings | undefined) => void;
  /** Record that is taken in next. */
  private next: number;

  constructor({ log, readings, clock, from, destroyed, onDamage }: CatchUpOptions) {
    this.destroyed = destroyed;
    this.onDamage = onDamage;
    this.log = log;
    this.readings = readings;
    this.clock = clock;
    this.next = Math.max(from, log.oldest);
  }

  get done(): boolean {
    return this.next > this.log.last;
  }

  /** True when the record that was just written is the next one: its readings can be taken in straight away. */
  reached(number: number): boolean {
    if (this.next !== number) return false;
    this.next = number + 1;
    return true;
  }

  step(budgetMs: number): void {
    const until = this.clock.monotonic() + budgetMs;
    while (!this.done && this.clock.monotonic() < until) {
      const record = readRecord(this.log, this.next);
      if (record !== undefined && record.damaged > 0) this.onDamage(damagedBoxes(record), this.lostIn(record));
      if (record === undefined) this.passUnreadable();
      const below = destroyedBelow(this.destroyed, this.next);
      for (const { position, entry } of record?.readings ?? []) this.add(entry, position, below);
      this.next++;
    }
  }

  /** All but what was destroyed, in runs without a hole. */
  private add({ bytes, timeFrom }: BoxEntry, position: number, below: number | undefined): void {
    if (below === undefined || timeFrom >= below) return this.readings.add(bytes, position);
    const kept = decodeBatch(bytes, () => '').map((reading) => !isDestroyed(reading?.time ?? 0, below));
    for (let from = kept.indexOf(true); from >= 0;) {
      const end = kept.indexOf(false, from);
      const to = end < 0 ? kept.length : end;
      this.readings.add(bytes, position, from, to - from);
      from = kept.indexOf(true, to);
    }
  }

  private lostIn({ number, first, count, lostReadings }: ReadRecord): LostReadings | undefined {
    if (lostReadings === 0) return undefined;
    const head = this.log.head(number);
    return {
      place: `record/${number}`,
      readings: lostReadings,
      ...(head !== undefined && { times: [head.timeFrom, head.timeTo] }),
      ...(lostReadings === count && { positions: [first, first + count] }),
    };
  }

  /** A record without a readable head: what it held lies between its neighbours. */
  private passUnreadable(): void {
    const [before, after] = [this.log.head(this.next - 1), this.log.head(this.next + 1)];
    if (before === undefined || after === undefined) return;
    const positions = [before.first + before.count, after.first] as const;
    if (positions[1] <= positions[0]) return;
    const place = `journal record ${this.next}`;
    const finding: Finding = { place, kind: 'altered', text: 'it cannot be read', positions };
    const times = [before.timeTo, after.timeFrom].toSorted((a, b) => a - b);
    this.onDamage(finding, {
      place: `record/${this.next}`,
      readings: positions[1] - positions[0],
      positions,
      times: [times[0], times[1]],
    });
  }
}
