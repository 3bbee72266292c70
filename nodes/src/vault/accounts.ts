import type { Gap } from './gaps.ts';
import { VarintReader, writeVarint } from './varint.ts';

/**
 * What can become of the readings that a vault's summaries were made of. `sealed` into blocks of the outbox, or `withheld`
 * since no grant let them leave; of the sealed ones `delivered` (the cloud's database has them), or dropped: for want of
 * room (`quota`), by age (`retention`), with their key (`shredded`), with their grant (`revoked`), because the block could not
 * be read any more here (`damaged`) or at the cloud (`poison`), or because the cloud keeps other bytes under its number
 * (`conflict`). What is sealed and none of these waits. The place in this list is part of the format: append only.
 */
export const ACCOUNT_COLUMNS = [
  'sealed',
  'withheld',
  'delivered',
  'quota',
  'retention',
  'shredded',
  'revoked',
  'damaged',
  'poison',
  'conflict',
] as const;
export type AccountColumn = (typeof ACCOUNT_COLUMNS)[number];

/** How sealed readings come to an end; what is not delivered is dropped. */
export type Ending = Exclude<AccountColumn, 'sealed' | 'withheld'>;

export const DROPS = ['quota', 'retention', 'shredded', 'revoked', 'damaged', 'poison', 'conflict'] as const;

/** Readings by number of series. */
export type Tally = ReadonlyMap<number, number>;

/** What became of the readings of one stream, by series. Those of an earlier incarnation stand under its orphan's name. */
export interface StreamAccount {
  stream: string;
  series: Map<number, Record<AccountColumn, number>>;
}

/** A vault's accounts as they stand after one commit. */
export interface VaultAccounts {
  /** Position of the first reading that they are about; undefined for a vault that was begun before it kept any. */
  from: number | undefined;
  head: number;
  streams: StreamAccount[];
  /** Of each stream that has waiting blocks of its own incarnation: their numbers, the highest given out, and what is in them. */
  waiting: { stream: string; sealed: number; blocks: [from: number, to: number][] }[];
  /** What the consumers that were asked for have saved, `state` cut to the bytes that were asked for. */
  consumers: {
    consumer: string;
    replayFrom: number;
    series: { series: number; position: number; state: Uint8Array }[];
  }[];
}

/** How blocks end that are given up for what a gap declares. */
export function endingOf(cause: Gap['cause']): Ending {
  if (cause === 'quota' || cause === 'retention' || cause === 'shredded' || cause === 'damaged') return cause;
  throw new TypeError(`blocks are not given up as ${cause}`);
}

export const nothing = (): Record<AccountColumn, number> => ({
  sealed: 0,
  withheld: 0,
  delivered: 0,
  quota: 0,
  retention: 0,
  shredded: 0,
  revoked: 0,
  damaged: 0,
  poison: 0,
  conflict: 0,
});

/** Sealed, and neither delivered nor dropped. */
export function waitingOf(counts: Readonly<Record<AccountColumn, number>>): number {
  return DROPS.reduce((rest, cause) => rest - counts[cause], counts.sealed - counts.delivered);
}

/** All that was dropped. */
export function droppedOf(counts: Readonly<Record<AccountColumn, number>>): number {
  return DROPS.reduce((sum, cause) => sum + counts[cause], 0);
}

/** Runs of series that follow one another with the same number of readings: series less the end of the run before, length, readings. */
export function encodeTally(tally: Tally): Uint8Array {
  const bytes: number[] = [];
  const scratch = new Uint8Array(8);
  const put = (value: number): void => void bytes.push(...scratch.subarray(0, writeVarint(scratch, 0, value)));
  let end = 0;
  let run: { first: number; length: number; readings: number } | undefined;
  const close = (): void => {
    if (run === undefined) return;
    put(run.first - end);
    put(run.length);
    put(run.readings);
    end = run.first + run.length;
  };
  for (const [series, readings] of [...tally].toSorted(([a], [b]) => a - b)) {
    if (run !== undefined && run.first + run.length === series && run.readings === readings) run.length++;
    else {
      close();
      run = { first: series, length: 1, readings };
    }
  }
  close();
  return Uint8Array.from(bytes);
}

/** Series that a tally may name. */
const MAX_SERIES = 1 << 20;

/** Throws RangeError for bytes that `encodeTally` did not write. */
export function decodeTally(bytes: Uint8Array): Map<number, number> {
  const tally = new Map<number, number>();
  const reader = new VarintReader(bytes);
  let series = 0;
  while (reader.at < bytes.length) {
    series += reader.next();
    const length = reader.next();
    const readings = reader.next();
    if (tally.size + length > MAX_SERIES) throw new RangeError(`a tally of more than ${MAX_SERIES} series`);
    for (const end = series + length; series < end; series++) tally.set(series, readings);
  }
  return tally;
}
