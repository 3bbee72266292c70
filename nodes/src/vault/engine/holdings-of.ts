import { summaryStream, windowsOf } from '../budget/block-windows.ts';
import { ALERTS_KEPT } from '../budget/budget.ts';
import type { BlockHolding, Holdings, SegmentHolding, StreamHolding } from '../budget/holdings.ts';
import { orphanOf } from '../orphans.ts';
import type { SegmentEntry } from '../readings/reading-store.ts';
import type { Block, QueuedAlert, Range, StreamBacklog } from '../vault.ts';
import { timeOfAlert } from './alert-time.ts';

/** Waiting blocks that one step may give up: about so many bytes of them. */
const RUN_BYTES = 256 * 1024;
const MAX_RUN = 256;

/** Where it is looked up what a vault has. */
export interface HoldingsSource {
  readonly readings: { entries(): readonly SegmentEntry[] };
  readonly catalogue: {
    readonly head: number;
    readonly checkpoints: { keptFrom(head: number): number; readonly summarised: boolean };
    readonly outbox: {
      readonly streams: { list(): StreamBacklog[]; sealedUntil(stream: string): number };
      peek(stream: string, order: 'oldest', skip: readonly Range[], maxBytes: number): Block[];
    };
    readonly alerts: { readonly waiting: number; peek(limit: number, skip: ReadonlySet<string>): QueuedAlert[] };
  };
}

/** What a vault has on the disk as the budget looks at it. `overruns`: positions that no consumer has seen. */
export function holdingsOf(
  { readings, catalogue }: HoldingsSource,
  { now, used, quota }: Pick<Holdings, 'now' | 'used' | 'quota'>,
  overruns: readonly Range[],
): Holdings {
  const { outbox, checkpoints, alerts } = catalogue;
  // Of an earlier incarnation nobody counts what is still to come, so its blocks are not given up.
  const backlogs = outbox.streams.list().filter(({ stream }) => orphanOf(stream) === undefined);
  const sealed = backlogs.flatMap(({ stream, sealed: count }) => (count > 0 ? (summaryStream(stream) ?? []) : []));
  const coarsest = Math.max(0, ...sealed.map(({ resolution }) => resolution));
  const covered = coarsest > 0 && checkpoints.summarised ? { coarsest } : {};
  const keptFrom = checkpoints.keptFrom(catalogue.head);
  const segments = readings.entries().map((entry): SegmentHolding => {
    const unseen = overlapOf(entry, overruns);
    const { number, bytes, positionFrom, positionTo, timeFrom, timeTo } = entry;
    return {
      id: String(number),
      bytes,
      // What was declared before is not declared again.
      readings: Math.max(0, entry.readings - unseen),
      positions: [positionFrom, Math.max(positionFrom, positionTo - 1)],
      timeFrom,
      timeTo,
      passed: positionTo <= keptFrom,
      ...(unseen === 0 ? covered : {}),
    };
  });
  return {
    now,
    used,
    quota,
    segments,
    streams: backlogs.flatMap((backlog) => streamHolding(outbox, backlog)),
    alerts: alertHolding(alerts, now),
  };
}

function overlapOf({ positionFrom, positionTo }: SegmentEntry, overruns: readonly Range[]): number {
  let sum = 0;
  for (const [from, to] of overruns)
    sum += Math.max(0, Math.min(positionTo - 1, to) - Math.max(positionFrom, from) + 1);
  return sum;
}

function streamHolding(outbox: HoldingsSource['catalogue']['outbox'], backlog: StreamBacklog): StreamHolding[] {
  const { stream, count } = backlog;
  const of = summaryStream(stream);
  if (of === undefined) return [];
  const run = count === 0 ? undefined : oldestRun(outbox.peek(stream, 'oldest', [], RUN_BYTES), of.resolution);
  return [{ stream, ...of, sealedUntil: outbox.streams.sealedUntil(stream), blocks: run === undefined ? [] : [run] }];
}

/** The oldest blocks that have numbers without a gap, and whose times are known; empty ones among them cost nothing. */
function oldestRun(blocks: readonly Block[], resolution: number): BlockHolding | undefined {
  let run: BlockHolding | undefined;
  for (const { number, body } of blocks) {
    const windows = windowsOf(body);
    if (windows === undefined) {
      if (run !== undefined) break;
      continue;
    }
    const timeTo = windows.to + resolution * 1000;
    if (run === undefined)
      run = { numbers: [number, number], count: 1, bytes: body.length, timeFrom: windows.from, timeTo };
    else if (number !== run.numbers[1] + 1 || run.count >= MAX_RUN) break;
    else
      run = {
        numbers: [run.numbers[0], number],
        count: run.count + 1,
        bytes: run.bytes + body.length,
        timeFrom: Math.min(run.timeFrom, windows.from),
        timeTo: Math.max(run.timeTo, timeTo),
      };
  }
  return run;
}

function alertHolding(alerts: HoldingsSource['catalogue']['alerts'], now: number | undefined): Holdings['alerts'] {
  const count = alerts.waiting;
  if (count <= ALERTS_KEPT) return { count, bytes: 0, timeFrom: 0, timeTo: 0 };
  const oldest = alerts.peek(Math.ceil((count - ALERTS_KEPT) / 2), new Set());
  const times = oldest.map(({ body }) => timeOfAlert(body) ?? now ?? 0);
  const bytes = oldest.reduce((sum, { body }) => sum + body.length, 0);
  return {
    count,
    bytes: Math.round((bytes * count) / Math.max(1, oldest.length)),
    timeFrom: Math.min(...times),
    timeTo: Math.max(...times),
  };
}
