import { DEFAULT_PURPOSE } from '../privacy/grants.ts';
import { purposeOf, resolutionOf, streamOf } from '../summary/stream.ts';
import { CONSUMER } from '../summary/window-checkpoints.ts';
import { TALLY_BYTES, windowsTally, type WindowsTally } from '../summary/windows-codec.ts';
import { droppedOf, nothing, waitingOf, type AccountColumn, type VaultAccounts } from '../vault/accounts.ts';
import { GAPS, gapSchema } from '../vault/gaps.ts';
import { orphanOf } from '../vault/orphans.ts';
import type { Vault } from '../vault/vault.ts';
import { ACCOUNT_CHECKS, checkSchema, type AccountCheck } from './account-check.ts';

/** What became of the readings of a series, in its finest windows (docs/accounting.md). All figures are readings. */
export interface SeriesAccount {
  number: number;
  series: string;
  /** Seconds. */
  resolution: number;
  /** Accepted at the door: `stale`, `unseen` and `taken` together. */
  produced: number;
  /** Retained messages, which are in no summary. */
  stale: number;
  /** Committed, and not yet saved by what makes summaries. */
  unseen: number;
  /** Taken into windows: `open`, `withheld` and `sealed` together. */
  taken: number;
  open: number;
  /** In parts that no grant let leave. */
  withheld: number;
  /** In parts that went into the outbox: `delivered`, `waiting` and all of `dropped` together. */
  sealed: number;
  delivered: number;
  waiting: number;
  dropped: Partial<Record<AccountColumn, number>>;
  /** The cloud's database holds this instead of `delivered`, as it said at the newest comparison. */
  cloud?: number;
  adds: boolean;
}

/** What an earlier incarnation of the vault left, over all series and all lengths of windows. */
export interface EarlierAccount {
  incarnation: string;
  sealed: number;
  delivered: number;
  waiting: number;
  dropped: number;
}

export interface Account {
  incarnation: string;
  /** Readings with positions since this incarnation began; undefined for a vault that is older than its accounts. */
  accepted?: number;
  /** Of these, the ones that no summary has seen nor will see, and how many losses of readings are declared. */
  lost: number;
  declared: number;
  /** Readings that are in the journal and that were not told apart by series, since they are too many. */
  untold: number;
  series: SeriesAccount[];
  earlier: EarlierAccount[];
  /** The newest comparison with the cloud; absent before the first. */
  check?: { time: number; equal: boolean; differing: number };
  adds: boolean;
}

/** Readings that no summary has seen are told apart by series up to here: about two seconds of reading. */
const MAX_UNSEEN = 2_000_000;
const READ_AT_ONCE = 8_192;

/** A stream of parts as its counts stand, with what its series took into windows. */
export interface StreamCounts {
  stream: string;
  sealed: number;
  /** Undefined when they are too many to name. */
  waiting: [from: number, to: number][] | undefined;
  series: Map<number, { counts: Record<AccountColumn, number>; windows: Windows | undefined }>;
}

export interface Windows {
  taken: number;
  stale: number;
  open: number;
}

/** The streams of parts of the vault's own incarnation, in order of name, as one commit left them. */
export function streamsOf({ streams, waiting, consumers }: VaultAccounts): StreamCounts[] {
  const own = streams.filter(({ stream }) => orphanOf(stream) === undefined && resolutionOf(stream) !== undefined);
  const counts = new Map(own.map(({ stream, series }) => [stream, series]));
  const tallies = talliesOf(consumers);
  // What was taken into windows that no part was made of yet has no stream of its own.
  for (const { lengths } of tallies.values())
    for (const { resolution } of lengths) {
      const stream = streamOf(DEFAULT_PURPOSE, resolution);
      if (!counts.has(stream)) counts.set(stream, new Map());
    }
  return [...counts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([stream, known]) => {
      const backlog = waiting.find((one) => one.stream === stream);
      const series: StreamCounts['series'] = new Map();
      for (const [number, row] of known) series.set(number, { counts: row, windows: undefined });
      if (purposeOf(stream) === DEFAULT_PURPOSE)
        for (const [number, tally] of tallies) {
          const windows = windowsIn(tally, resolutionOf(stream));
          if (windows !== undefined) series.set(number, { counts: known.get(number) ?? nothing(), windows });
        }
      const sorted = new Map([...series].toSorted(([a], [b]) => a - b));
      return { stream, sealed: backlog?.sealed ?? 0, waiting: backlog?.blocks, series: sorted };
    });
}

/** What the vault's accounts are made of. */
export function readCounts(vault: Vault): Promise<VaultAccounts> {
  return vault.accounts([CONSUMER], TALLY_BYTES);
}

/** The account of a vault, whether its gateway runs or not. */
export async function readAccount(vault: Vault): Promise<Account> {
  const accounts = await readCounts(vault);
  const streams = streamsOf(accounts);
  const checks = await readChecks(vault);
  const unseen = await readUnseen(vault, accounts);
  const finest = new Map<number, SeriesAccount>();
  for (const { stream, waiting, series } of streams) {
    if (purposeOf(stream) !== DEFAULT_PURPOSE) continue;
    const resolution = resolutionOf(stream) ?? Infinity;
    const cloud = cloudIn(checks, stream);
    for (const [number, { counts, windows }] of series) {
      const before = finest.get(number);
      if (before !== undefined && before.resolution < resolution) continue;
      const name = vault.series.name(number) ?? `series ${number}`;
      const none = waiting !== undefined && waiting.length === 0;
      finest.set(number, rowOf({ number, name, resolution, counts, windows, none, cloud: cloud.get(number) }));
    }
  }
  for (const [number, count] of unseen.series) {
    const row = finest.get(number) ?? emptyRow(number, vault.series.name(number) ?? `series ${number}`);
    finest.set(number, { ...row, unseen: count, produced: row.produced + count });
  }
  const series = [...finest.values()].toSorted((a, b) => (a.series < b.series ? -1 : 1));
  const told = series.reduce((sum, { produced }) => sum + produced, 0);
  const accepted = accounts.from === undefined ? undefined : accounts.head - accounts.from;
  const lost = accepted === undefined ? 0 : accepted - told - unseen.untold;
  const declared = await declaredLosses(vault);
  const check = newestCheck(checks);
  return {
    incarnation: vault.incarnation,
    ...(accepted !== undefined && { accepted }),
    lost,
    declared,
    untold: unseen.untold,
    series,
    earlier: earlierIn(accounts),
    ...(check !== undefined && { check }),
    adds: series.every(({ adds }) => adds) && lost >= 0 && lost <= declared,
  };
}

interface RowParts {
  number: number;
  name: string;
  resolution: number;
  counts: Record<AccountColumn, number>;
  windows: Windows | undefined;
  /** No block of its stream waits. */
  none: boolean;
  cloud: number | undefined;
}

function rowOf({ number, name, resolution, counts, windows, none, cloud }: RowParts): SeriesAccount {
  const { sealed, withheld, delivered, ...ends } = counts;
  const waiting = waitingOf(counts);
  // Of a series whose windows nobody keeps any more, all that is known is what parts were made of.
  const { taken, stale, open } = windows ?? { taken: sealed + withheld, stale: 0, open: 0 };
  const dropped = Object.fromEntries(Object.entries(ends).filter(([, readings]) => readings > 0));
  return {
    number,
    series: name,
    resolution,
    produced: taken + stale,
    stale,
    unseen: 0,
    taken,
    open,
    withheld,
    sealed,
    delivered,
    waiting,
    dropped,
    ...(cloud !== undefined && { cloud }),
    adds: taken === open + withheld + sealed && (none ? waiting === 0 : waiting >= 0),
  };
}

const emptyRow = (number: number, name: string): SeriesAccount =>
  rowOf({ number, name, resolution: 0, counts: nothing(), windows: undefined, none: true, cloud: undefined });

function talliesOf(consumers: VaultAccounts['consumers']): Map<number, WindowsTally> {
  const saved = consumers.find(({ consumer }) => consumer === CONSUMER);
  return new Map(
    (saved?.series ?? []).flatMap(({ series, state }): [number, WindowsTally][] => {
      const tally = windowsTally(state);
      return tally === undefined ? [] : [[series, tally]];
    }),
  );
}

/** Retained readings are counted with the finest windows alone. */
function windowsIn({ stale, lengths }: WindowsTally, resolution: number | undefined): Windows | undefined {
  const found = lengths.find((length) => length.resolution === resolution);
  if (found === undefined) return undefined;
  const finest = Math.min(...lengths.map((length) => length.resolution));
  return { taken: found.taken, open: found.open, stale: finest === resolution ? stale : 0 };
}

interface Unseen {
  series: Map<number, number>;
  untold: number;
}

/** Readings that were committed and that no saved state of the summaries includes. */
async function readUnseen(vault: Vault, { consumers, head, from = 1 }: VaultAccounts): Promise<Unseen> {
  const saved = consumers.find(({ consumer }) => consumer === CONSUMER);
  const start = Math.max(from, saved?.replayFrom ?? from);
  const series = new Map<number, number>();
  if (start >= head) return { series, untold: 0 };
  if (head - start > MAX_UNSEEN) return { series, untold: head - start };
  const seen = new Map(saved?.series.map((one) => [one.series, one.position]));
  for (let at: number | undefined = start; at !== undefined && at < head;) {
    const { readings, next } = await vault.journal.read(at, READ_AT_ONCE);
    for (const { series: name, position = 0 } of readings) {
      const number = vault.series.number(name);
      if (position >= start && position < head && position > (seen.get(number) ?? 0))
        series.set(number, (series.get(number) ?? 0) + 1);
    }
    at = next;
  }
  return { series, untold: 0 };
}

/** Readings that gaps of this incarnation declare as lost before summaries saw them, or broken since. */
async function declaredLosses({ documents, incarnation }: Vault): Promise<number> {
  let sum = 0;
  for (const { value } of await documents.list(GAPS)) {
    const { success, data } = gapSchema.safeParse(value);
    if (!success || data.what !== 'readings' || data.writer !== incarnation) continue;
    if (data.cause === 'overrun' || data.cause === 'damaged' || data.cause === 'shredded') sum += data.count;
  }
  return sum;
}

function earlierIn({ streams }: VaultAccounts): EarlierAccount[] {
  const earlier = new Map<string, EarlierAccount>();
  for (const { stream, series } of streams) {
    const orphan = orphanOf(stream);
    if (orphan === undefined) continue;
    const { incarnation } = orphan;
    const sum = earlier.get(incarnation) ?? { incarnation, sealed: 0, delivered: 0, waiting: 0, dropped: 0 };
    for (const counts of series.values()) {
      sum.sealed += counts.sealed;
      sum.delivered += counts.delivered;
      sum.waiting += waitingOf(counts);
      sum.dropped += droppedOf(counts);
    }
    earlier.set(incarnation, sum);
  }
  return [...earlier.values()];
}

async function readChecks({ documents }: Vault): Promise<AccountCheck[]> {
  return (await documents.list(ACCOUNT_CHECKS)).flatMap(({ value }) => {
    const { success, data } = checkSchema.safeParse(value);
    return success ? [data] : [];
  });
}

/** What the cloud named as different in a stream. */
const cloudIn = (checks: readonly AccountCheck[], stream: string): Map<number, number> =>
  new Map(checks.flatMap((check) => (check.stream === stream ? check.series : [])));

/** The oldest of the pages, since only with it everything was compared. */
function newestCheck(checks: readonly AccountCheck[]): Account['check'] {
  if (checks.length === 0) return undefined;
  const differing = checks.reduce((sum, check) => sum + check.differing, 0);
  return { time: Math.min(...checks.map(({ time }) => time)), equal: differing === 0, differing };
}
