import type { Loss } from '../gaps.ts';
import type { BlockHolding, Holdings, SegmentHolding, Step, StreamHolding } from './holdings.ts';

/** Eviction begins above the one share of the quota, and ends at the other. */
export const HIGH_WATER = 0.95;
export const LOW_WATER = 0.9;

/** Alerts that stay whatever happens, the newest ones. */
export const ALERTS_KEPT = 256;
/** A consumer that has not come so far behind is waited for; one that is further behind is left behind. */
export const OVERRUN_MS = 7 * 86_400_000;
/** From this resolution on blocks are coarse: they go after all finer ones, seconds. */
const COARSE = 3_600;
const DAY_MS = 86_400_000;

export interface Decision {
  /** Whether eviction is under way: to be given back at the next question. */
  evicting: boolean;
  /** What to give up next; undefined when nothing has to go, or nothing can. */
  step: Step | undefined;
  /** The quota is used up and nothing may go: what comes in has to be refused with `disk-full`. */
  refuse: boolean;
}

/**
 * What a vault gives up next, in this order: readings beyond their age; then, while the quota is too full, readings that
 * are summarised, oldest first; fine blocks whose time a coarser stream of their purpose covers, finest first; hours that
 * days cover; the oldest alerts, of which the number stays; readings that nothing summarises; readings that a consumer
 * left behind for a week. The coarsest summaries, newer readings that a consumer waits for, documents and names stay.
 */
export function decide(holdings: Holdings, evicting: boolean, retentionDays?: number): Decision {
  const aged = tooOld(holdings, retentionDays);
  const pressed = holdings.used > holdings.quota * (evicting ? LOW_WATER : HIGH_WATER);
  if (aged !== undefined) return { evicting: pressed, step: aged, refuse: false };
  if (!pressed) return { evicting: false, step: undefined, refuse: false };
  const step = toFree(holdings);
  return { evicting: true, step, refuse: step === undefined && holdings.used >= holdings.quota };
}

/** The cheapest thing to give up, whatever the quota says; undefined when nothing may go. */
export function toFree(holdings: Holdings): Step | undefined {
  return (
    readings(holdings, ({ passed, coarsest }) => passed && coarsest !== undefined, 'quota') ??
    blocks(holdings, ({ resolution }) => resolution < COARSE) ??
    blocks(holdings, ({ resolution }) => resolution >= COARSE) ??
    oldestAlerts(holdings) ??
    readings(holdings, ({ passed, coarsest }) => passed && coarsest === undefined, 'quota') ??
    overrun(holdings)
  );
}

function tooOld(holdings: Holdings, days: number | undefined): Step | undefined {
  const { now } = holdings;
  if (days === undefined || now === undefined) return undefined;
  return readings(holdings, ({ passed, timeTo }) => passed && timeTo < now - days * DAY_MS, 'retention');
}

/** Not judged while the clock is not trusted: a wrong one leaves nobody behind. */
function overrun(holdings: Holdings): Step | undefined {
  const { now } = holdings;
  if (now === undefined) return undefined;
  return readings(holdings, ({ passed, timeTo }) => !passed && timeTo < now - OVERRUN_MS, 'overrun');
}

function readings(
  holdings: Holdings,
  may: (segment: SegmentHolding) => boolean,
  cause: Loss['cause'],
): Step | undefined {
  let oldest: SegmentHolding | undefined;
  for (const segment of holdings.segments)
    if (segment.bytes > 0 && may(segment) && (oldest === undefined || isOlder(segment, oldest))) oldest = segment;
  if (oldest === undefined) return undefined;
  const { id, bytes, readings: count, positions, timeFrom, timeTo, passed, coarsest } = oldest;
  // Readings that a consumer has not seen are in some summaries at best.
  const covered = passed ? coarsest : undefined;
  const loss = { ...lossOf(holdings, cause, 'readings', count, timeFrom, timeTo, covered), positions };
  return { kind: 'segment', id, bytes, loss: { ...loss, series: 'all' } };
}

const isOlder = (a: SegmentHolding, b: SegmentHolding): boolean =>
  a.timeTo < b.timeTo || (a.timeTo === b.timeTo && a.positions[0] < b.positions[0]);

function blocks(holdings: Holdings, may: (stream: StreamHolding) => boolean): Step | undefined {
  let first: { of: StreamHolding; block: BlockHolding; covered: number } | undefined;
  for (const of of holdings.streams) {
    if (!may(of) || (first !== undefined && of.resolution > first.of.resolution)) continue;
    for (const block of of.blocks) {
      const covered = block.bytes > 0 ? coarsestCovering(holdings, of, block) : undefined;
      if (covered === undefined) continue;
      const finer = first === undefined || of.resolution < first.of.resolution;
      if (finer || block.timeTo < first!.block.timeTo) first = { of, block, covered };
    }
  }
  if (first === undefined) return undefined;
  const { of, block, covered } = first;
  const { numbers, bytes, count, timeFrom, timeTo } = block;
  const loss = lossOf(holdings, 'quota', 'blocks', count, timeFrom, timeTo, covered);
  const { stream } = of;
  return { kind: 'blocks', stream, numbers, bytes, loss: { ...loss, stream, blocks: [[...numbers]] } };
}

/** Coarsest stream of the purpose that has sealed all windows of these blocks; undefined when no coarser one has. */
function coarsestCovering(holdings: Holdings, of: StreamHolding, { timeTo }: BlockHolding): number | undefined {
  let coarsest: number | undefined;
  for (const { purpose, resolution, sealedUntil } of holdings.streams)
    if (purpose === of.purpose && resolution > (coarsest ?? of.resolution) && sealedUntil >= timeTo)
      coarsest = resolution;
  return coarsest;
}

/** Half of those that may go: the newest are worth more. */
function oldestAlerts(holdings: Holdings): Step | undefined {
  const { count: all, bytes, timeFrom, timeTo } = holdings.alerts;
  const spare = all - ALERTS_KEPT;
  if (spare <= 0 || bytes <= 0) return undefined;
  const count = Math.ceil(spare / 2);
  const loss = lossOf(holdings, 'quota', 'alerts', count, timeFrom, timeTo, undefined);
  return { kind: 'alerts', count, bytes: Math.max(1, Math.floor((bytes * count) / all)), loss };
}

function lossOf(
  { now }: Holdings,
  cause: Loss['cause'],
  what: Loss['what'],
  count: number,
  timeFrom: number,
  timeTo: number,
  coarsest: number | undefined,
): Loss {
  return { at: now ?? timeTo, cause, what, count, timeFrom, timeTo, ...(coarsest !== undefined && { coarsest }) };
}
