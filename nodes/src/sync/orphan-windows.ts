import type { Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import { openReadings, type OpenReadings } from '../summary/windows-codec.ts';
import { GAP_COUNTER, GAPS, GapBook, type Loss } from '../vault/gaps.ts';
import { ORPHAN_WINDOWS } from '../vault/orphans.ts';
import type { Change, Vault } from '../vault/vault.ts';

/** Readings of the journal that are read at once. */
const READ_AT_ONCE = 4_096;
/** Times that the declaration is made again because somebody else declared a gap meanwhile. */
const ATTEMPTS = 10;

interface Maker {
  /** Name of the consumer as an orphan. */
  consumer: string;
  /** Its successor reads from here. */
  head: number;
}

/**
 * Declares what an earlier incarnation had taken into windows that were open, or had still to read, as lost: the vault
 * that it goes on in may have sent those windows, and a reading in two parts would be counted twice. Of the rungs of a ladder
 * the finest counts: what is in a coarser one alone was in parts of that one. The declaration and the end of what it
 * declares are one commit.
 */
export async function declareOrphanWindows(vault: Vault, clock: Clock): Promise<void> {
  const makers = await orphanMakers(vault);
  if (makers.length === 0) return;
  const losses: Loss[] = [];
  for (const maker of makers) {
    // One that was retired has nothing open, and others went on without it.
    const { replayFrom = 1 } = (await vault.checkpoints.load(maker.consumer)) ?? {};
    if (replayFrom <= maker.head) losses.push(...(await lossOf(vault, maker, clock)));
  }
  const ends = makers.flatMap(({ consumer }): Change[] => [
    { kind: 'forget-consumer', consumer },
    { kind: 'document', namespace: ORPHAN_WINDOWS, key: consumer, value: undefined },
  ]);
  for (let attempt = 1; !(await committed(vault, losses, ends)); attempt++)
    if (attempt >= ATTEMPTS) throw new TideError('conflict', `${ATTEMPTS} times somebody else declared a gap first`);
}

async function orphanMakers(vault: Vault): Promise<Maker[]> {
  return (await vault.documents.list(ORPHAN_WINDOWS)).map(({ key, value }) => {
    const head = typeof value === 'object' && value !== null && 'head' in value ? Number(value.head) : 1;
    return { consumer: key, head };
  });
}

async function committed(vault: Vault, losses: readonly Loss[], ends: readonly Change[]): Promise<boolean> {
  const next = await vault.documents.get(GAP_COUNTER.namespace, GAP_COUNTER.key);
  const stored = (await vault.documents.list(GAPS)).map(({ value }) => value);
  const { changes } = new GapBook(vault.incarnation, stored, next).declare(losses);
  try {
    await vault.commit([{ kind: 'expect-document', ...GAP_COUNTER, value: next }, ...changes, ...ends]);
    return true;
  } catch (error) {
    if (error instanceof TideError && error.code === 'conflict') return false;
    throw error;
  }
}

/** None when nothing was open. */
async function lossOf(vault: Vault, { consumer, head }: Maker, clock: Clock): Promise<Loss[]> {
  const saved = await vault.checkpoints.load(consumer);
  const tally = new Tally();
  const taken = new Map<number, number>();
  for (const { series, position, state } of saved?.series ?? []) {
    taken.set(series, position);
    for (const { count, from, to } of readingsOf(state)) tally.add(series, count, from, to);
  }
  for (let from: number | undefined = saved?.replayFrom ?? head; from !== undefined && from < head;) {
    const { readings, next } = await vault.journal.read(from, READ_AT_ONCE);
    for (const { series: name, position = 0, time, stale } of readings) {
      const series = vault.series.number(name);
      if (stale !== true && position < head && position > (taken.get(series) ?? 0)) tally.add(series, 1, time, time);
    }
    from = next;
  }
  if (tally.count === 0) return [];
  const { count, timeFrom, timeTo } = tally;
  const series = [...tally.series].toSorted((a, b) => a - b);
  return [{ at: clock.now(), cause: 'restored', what: 'readings', count, timeFrom, timeTo, series }];
}

/** None of a state that this version cannot read: nobody can say what was in it. */
function readingsOf(state: Uint8Array): OpenReadings[] {
  try {
    return openReadings(state);
  } catch {
    return [];
  }
}

class Tally {
  count = 0;
  timeFrom = Infinity;
  timeTo = -Infinity;
  readonly series = new Set<number>();

  add(series: number, count: number, from: number, to: number): void {
    if (count === 0) return;
    this.count += count;
    this.timeFrom = Math.min(this.timeFrom, from);
    this.timeTo = Math.max(this.timeTo, to);
    this.series.add(series);
  }
}
