import type { Step } from '../budget/holdings.ts';
import { TideError } from '../../node/errors.ts';
import { endingOf } from '../accounts.ts';
import type { Loss } from '../gaps.ts';
import type { OpenFigures } from '../readings/open-figures.ts';
import type { SegmentEntry } from '../readings/reading-store.ts';
import type { QueuedAlert } from '../vault.ts';
import { timeOfAlert } from './alert-time.ts';
import type { Effect } from './effects.ts';
import type { GapLedger } from './gap-ledger.ts';
import type { LostReadings } from './lost-readings.ts';

/** Alerts that one commit gives up at most. */
const MAX_ALERTS = 1_024;

/** Places of broken readings that one commit declares at most. */
const MAX_LOST = 64;

/** The parts of a vault that steps of its budget work on. */
export interface SteppedParts {
  /** `lost`: readings that were found broken and are not declared yet. */
  readonly findings: { readonly lost: LostReadings[] };
  readonly log: {
    readonly last: number;
    readonly problem: TideError | undefined;
    readonly bytes: { held: number; allocated: number };
    tryAgain(): void;
  };
  readonly readings: {
    readonly open: OpenFigures;
    readonly waiting: OpenFigures;
    entries(): readonly SegmentEntry[];
    remove(number: number): void;
  };
  readonly catalogue: {
    readonly head: number;
    readonly freeBytes: number;
    begin(): void;
    readonly checkpoints: { keptFrom(head: number): number };
    readonly outbox: { readonly filing: { unfiledBytes(): number } };
    readonly alerts: { peek(limit: number, skip: ReadonlySet<string>): QueuedAlert[] };
    readonly segments: { lostOf(number: number): number; isLost(place: string): boolean; gone(number: number): void };
  };
}

/** Carries out what was decided: each step is one commit that lets go and declares what it lets go of. */
export class BudgetSteps {
  readonly parts: SteppedParts;
  /** Bytes that were given up in rows and block files: they go from the disk with the next fold. */
  pending = 0;
  private readonly ledger: GapLedger;

  constructor(parts: SteppedParts, ledger: GapLedger) {
    this.parts = parts;
    this.ledger = ledger;
  }

  perform(step: Step): void {
    if (step.kind === 'segment') return this.segment(Number(step.id), step.loss);
    if (step.kind === 'alerts') return this.alerts(step.count, step.loss);
    const { stream, numbers, loss } = step;
    this.ledger.commit([{ kind: 'blocks-dropped', stream, ranges: [numbers], as: endingOf(loss.cause) }], [loss]);
    this.pending += step.bytes;
  }

  /** Declares what was found broken, and takes it from the list; what is declared already is passed over. */
  declareLost(lost: LostReadings[], now: number | undefined): boolean {
    if (lost.length === 0) return false;
    const { segments } = this.parts.catalogue;
    const some = lost.slice(0, MAX_LOST);
    const places = new Set<string>();
    const fresh = some.filter(({ place, readings }) => {
      const known = readings === 0 || places.has(place) || segments.isLost(place);
      places.add(place);
      return !known;
    });
    if (fresh.length > 0)
      this.ledger.commit(
        fresh.map(({ place, readings }) => ({ kind: 'lost', place, readings })),
        fresh.map((one) => lossOf(one, now)),
      );
    lost.splice(0, some.length);
    return true;
  }

  /** Readings from the place where consumers are waited for, up to `below`, are in no state of at least one of them. */
  leaveBehind(below: number, now: number | undefined): void {
    const { catalogue, readings } = this.parts;
    const from = catalogue.checkpoints.keptFrom(catalogue.head);
    if (below <= from) return;
    const within = readings.entries().filter((entry) => entry.positionTo > from && entry.positionFrom < below);
    const at = now ?? Math.max(0, ...within.map(({ timeTo }) => timeTo));
    const loss: Loss = {
      at,
      cause: 'overrun',
      what: 'readings',
      count: below - from,
      // Where the files are gone already, nothing better is known.
      timeFrom: Math.min(at, ...within.map(({ timeFrom }) => timeFrom)),
      timeTo: within.length === 0 ? at : Math.max(...within.map(({ timeTo }) => timeTo)),
      positions: [from, below - 1],
      series: 'all',
    };
    this.ledger.commit([{ kind: 'left-behind', below }], [loss]);
  }

  private segment(number: number, given: Loss): void {
    const { readings, catalogue } = this.parts;
    const entry = readings.entries().find((one) => one.number === number);
    if (entry === undefined) return;
    const { recordTo, tag, positionTo } = entry;
    const effects: Effect[] = [{ kind: 'segment-removed', number, recordTo, tag }];
    if (given.cause === 'overrun') effects.push({ kind: 'left-behind', below: positionTo });
    // What was found broken is declared already.
    const count = Math.max(0, given.count - catalogue.segments.lostOf(number));
    const { positions, ...rest } = given;
    const loss: Loss = { ...rest, count, ...(count === entry.readings && positions !== undefined && { positions }) };
    this.ledger.commit(effects, count === 0 ? [] : [loss]);
    try {
      readings.remove(number);
    } catch (error) {
      // It is given up; where the disk does not let go of the file now, the next start removes it.
      if (error instanceof TideError) return;
      throw error;
    }
    catalogue.begin();
    catalogue.segments.gone(number);
  }

  private alerts(count: number, given: Loss): void {
    const oldest = this.parts.catalogue.alerts.peek(Math.min(count, MAX_ALERTS), new Set());
    if (oldest.length === 0) return;
    const times = oldest.map(({ body }) => timeOfAlert(body) ?? given.at);
    const alerts = oldest.map(({ id, revision }) => ({ id, revision }));
    const span = { timeFrom: Math.min(...times), timeTo: Math.max(...times) };
    this.ledger.commit([{ kind: 'alerts-acknowledged', alerts }], [{ ...given, ...span, count: oldest.length }]);
    this.pending += oldest.reduce((sum, { body }) => sum + body.length, 0);
  }
}

function lossOf({ readings, positions, times, series }: LostReadings, now: number | undefined): Loss {
  const at = now ?? times?.[1] ?? 0;
  return {
    at,
    cause: 'damaged',
    what: 'readings',
    count: readings,
    timeFrom: times?.[0] ?? at,
    timeTo: times?.[1] ?? at,
    ...(positions !== undefined && { positions: [positions[0], Math.max(positions[0], positions[1] - 1)] }),
    series: series === undefined ? 'all' : [series],
  };
}
