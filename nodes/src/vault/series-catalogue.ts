import { TideError } from '../node/errors.ts';
import type { Reading, Value } from '../reading/reading.ts';
import type { SeriesCatalogue, SeriesEntry } from './vault.ts';

const MAX_SERIES = 1_000_000;
const MAX_NAME = 1_024;

/**
 * The catalogue in memory. Numbers are given out at once; what is new or changed is handed to the next commit, so that
 * no number reaches the disk before its name.
 */
export class MemoryCatalogue implements SeriesCatalogue {
  private readonly byName = new Map<string, SeriesEntry>();
  private readonly byNumber = new Map<number, SeriesEntry>();
  private unsaved = new Set<SeriesEntry>();
  private last: number;

  /** `last`: highest number ever given out, which may be above those of the entries. */
  constructor(entries: readonly SeriesEntry[], last: number) {
    this.last = last;
    for (const entry of entries) {
      this.byName.set(entry.name, entry);
      this.byNumber.set(entry.number, entry);
    }
  }

  number(name: string): number {
    return (this.byName.get(name) ?? this.add(name, 'number')).number;
  }

  /** The number of a reading's series; takes over its unit and kind. */
  readonly numberOf = (reading: Reading): number => {
    const { value, unit } = reading;
    const kind = kindOf(value);
    const entry = this.byName.get(reading.series) ?? this.add(reading.series, kind);
    if (entry.kind !== kind || (unit !== undefined && entry.unit !== unit)) {
      entry.kind = kind;
      if (unit !== undefined) entry.unit = unit;
      this.unsaved.add(entry);
    }
    return entry.number;
  };

  /** The number of a name that was given one; a name that is new gets none. */
  find(name: string): number | undefined {
    return this.byName.get(name)?.number;
  }

  name(number: number): string | undefined {
    return this.byNumber.get(number)?.name;
  }

  entry(number: number): SeriesEntry | undefined {
    return this.byNumber.get(number);
  }

  *entries(): IterableIterator<SeriesEntry> {
    yield* this.byNumber.values();
  }

  /** What the next commit has to write, in order of number; `keep` when that failed. */
  takeUnsaved(): { entries: SeriesEntry[]; keep: () => void } {
    const taken = this.unsaved;
    if (taken.size > 0) this.unsaved = new Set();
    return {
      entries: [...taken].toSorted((a, b) => a.number - b.number).map((entry) => ({ ...entry })),
      keep: () => {
        for (const entry of taken) this.unsaved.add(entry);
      },
    };
  }

  private add(name: string, kind: SeriesEntry['kind']): SeriesEntry {
    // A half of a surrogate pair has no UTF-8; with it, the name would not be found again after a restart.
    const whole = name.toWellFormed();
    const known = whole === name ? undefined : this.byName.get(whole);
    if (known !== undefined) return known;
    if (whole === '' || whole.length > MAX_NAME)
      throw new TideError('bad-series', `a series name has 1 to ${MAX_NAME} characters; this one has ${whole.length}`);
    if (this.byNumber.size >= MAX_SERIES)
      throw new TideError(
        'too-many-series',
        `the vault holds ${MAX_SERIES} series; "${whole.slice(0, 64)}" is one more`,
      );
    const entry: SeriesEntry = { number: ++this.last, name: whole, kind };
    this.byName.set(whole, entry);
    this.byNumber.set(entry.number, entry);
    this.unsaved.add(entry);
    return entry;
  }
}

function kindOf(value: Value): SeriesEntry['kind'] {
  if (typeof value === 'number') return 'number';
  return typeof value === 'boolean' ? 'boolean' : 'string';
}
