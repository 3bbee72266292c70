/**
 * Declared gaps: everything that the gateway gave up or lost, so that what was produced is what was delivered plus what
 * is declared here. A gap is written in the very commit that drops what it names.
 */
import { z } from 'zod';
import type { Change, Range } from './vault.ts';

export const GAP_CAUSES = ['quota', 'retention', 'damaged', 'shredded', 'restored', 'overrun'] as const;
export const GAP_KINDS = ['readings', 'blocks', 'alerts'] as const;

/** Bounds of one gap: with them its document stays below 16 kB, and a frame of 64 below 1 MB. */
export const MAX_GAP_RANGES = 256;
export const MAX_GAP_SERIES = 1_024;
/** Gaps that one vault keeps apart; beyond that the oldest ones of a kind become one. */
export const MAX_GAPS = 10_000;

const whole = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const number = whole.min(1);
const time = z.number().min(-8.64e15).max(8.64e15);

/**
 * A gap as it is stored and sent. It stands for all losses of its kind (writer, cause, what, stream, coarsest) whose
 * sequence numbers lie in `id..last`. So of two gaps of a kind the one whose span contains the other's says more, and in
 * whatever order they arrive the wider ones stay.
 */
export const gapFields = z.object({
  /** Sequence number of the first loss in it: unique among the gaps of a vault. */
  id: number,
  last: number,
  /** Incarnation under which it was declared, 32 hexadecimal digits. */
  writer: z.string().regex(/^[0-9a-f]{32}$/),
  /** Wall time of the newest loss in it, epoch milliseconds. */
  at: time,
  cause: z.enum(GAP_CAUSES),
  what: z.enum(GAP_KINDS),
  /** Readings, blocks or alerts that are lost. */
  count: whole,
  /** Of what is lost, epoch milliseconds, inclusive. */
  timeFrom: time,
  timeTo: time,
  /** Journal positions, inclusive, when they are without a hole. */
  positions: z.tuple([number, number]).optional(),
  /** Blocks only: their stream and their numbers in it. */
  stream: z.string().min(1).max(128).optional(),
  blocks: z
    .array(z.tuple([number, number]))
    .max(MAX_GAP_RANGES)
    .optional(),
  /** Numbers of the series; `all` when they are more than `MAX_GAP_SERIES` or not told apart. */
  series: z.union([z.literal('all'), z.array(number).max(MAX_GAP_SERIES)]).optional(),
  /** Seconds: the coarsest resolution whose summaries still cover it; absent when none do. */
  coarsest: number.optional(),
});

interface Spans {
  id: number;
  last: number;
  timeFrom: number;
  timeTo: number;
}
export const spansAreRight = ({ id, last, timeFrom, timeTo }: Spans): boolean => id <= last && timeFrom <= timeTo;
export const gapSchema = gapFields.refine(spansAreRight, 'last is below id, or timeTo before timeFrom');
export type Gap = z.infer<typeof gapSchema>;

/** What was given up in one commit, before it has a number. */
export type Loss = Omit<Gap, 'id' | 'last' | 'writer'>;

/** Namespaces of the gaps (by zero-padded `id`) and of the number that the next loss gets (key `next`). */
export const GAPS = 'gap';
export const GAP_COUNTER = { namespace: 'gaps', key: 'next' } as const;

export const gapKey = (id: number): string => String(id).padStart(12, '0');

/** Losses on their way into a commit: the changes to make in it, and what to call when it failed. */
export interface Declaration {
  readonly changes: readonly Change[];
  failed(): void;
}

/** The gaps of a vault as its engine keeps them: neighbours of a kind become one, and there are never more than `limit`. */
export class GapBook {
  private readonly writer: string;
  private readonly limit: number;
  private gaps: ReadonlyMap<number, Gap>;
  private next: number;

  /** `stored`: values of the documents in `GAPS`; ones that are no gaps are left out. `next`: the value of `GAP_COUNTER`. */
  constructor(writer: string, stored: Iterable<unknown>, next: unknown, limit: number = MAX_GAPS) {
    const gaps = [...stored].flatMap((value): Gap[] => {
      const { success, data } = gapSchema.safeParse(value);
      return success ? [data] : [];
    });
    this.writer = writer;
    this.limit = limit;
    this.gaps = new Map(gaps.toSorted((a, b) => a.id - b.id).map((gap) => [gap.id, gap]));
    const known = Number.isSafeInteger(next) ? Number(next) : 1;
    this.next = gaps.reduce((highest, { last }) => Math.max(highest, last + 1), Math.max(1, known));
  }

  get count(): number {
    return this.gaps.size;
  }

  /** The sequence number that the next loss gets. */
  get following(): number {
    return this.next;
  }

  /** In order of id. */
  list(): readonly Gap[] {
    return [...this.gaps.values()];
  }

  /** Enters losses. The changes belong into the commit that drops what they name. Throws ZodError for one that breaks a bound. */
  declare(losses: readonly Loss[]): Declaration {
    const { gaps: before, next: nextBefore } = this;
    const after = new Map(before);
    let next = nextBefore;
    for (const loss of losses) {
      const gap = gapSchema.parse({ ...bounded(loss), id: next, last: next, writer: this.writer });
      next++;
      const neighbour = newestOfKind(after, gap);
      if (neighbour !== undefined && areNeighbours(neighbour, gap)) after.set(neighbour.id, joined(neighbour, gap));
      else after.set(gap.id, gap);
    }
    while (after.size > this.limit && joinTwo(after));
    this.gaps = after;
    this.next = next;
    return {
      changes: changesBetween(before, after, next),
      failed: () => {
        this.gaps = before;
        this.next = nextBefore;
      },
    };
  }
}

/** Losses of one kind may become one gap, and no others. */
export function kindOf({ writer, cause, what, stream = '', coarsest = 0 }: Omit<Gap, 'id' | 'last'>): string {
  return [writer, cause, what, stream, coarsest].join(' ');
}

/** Both losses as one gap. `a` is the older one, of the same kind. */
export function joined(a: Gap, b: Gap): Gap {
  const { positions: _positions, blocks: _blocks, series: _series, ...common } = a;
  const positions = touching(a.positions, b.positions);
  const blocks = a.blocks === undefined && b.blocks === undefined ? undefined : union(a.blocks ?? [], b.blocks ?? []);
  const series = seriesOf(a, b);
  return {
    ...common,
    last: Math.max(a.last, b.last),
    at: Math.max(a.at, b.at),
    count: a.count + b.count,
    timeFrom: Math.min(a.timeFrom, b.timeFrom),
    timeTo: Math.max(a.timeTo, b.timeTo),
    ...(positions !== undefined && { positions }),
    ...(blocks !== undefined && { blocks: blocks.length > MAX_GAP_RANGES ? [hull(blocks)] : blocks }),
    ...(series !== undefined && { series }),
  };
}

const DAY_MS = 86_400_000;
/** Between two losses of readings without positions that count as neighbours. */
const NEAR_MS = 3_600_000;

/** Whether nothing is said wrong about what lies between the two: what was given up on one day, side by side. */
function areNeighbours(a: Gap, b: Gap): boolean {
  if (Math.floor(a.at / DAY_MS) !== Math.floor(b.at / DAY_MS)) return false;
  if (a.positions !== undefined && b.positions !== undefined) return touching(a.positions, b.positions) !== undefined;
  if (a.blocks !== undefined && b.blocks !== undefined) return union(a.blocks, b.blocks).length <= MAX_GAP_RANGES;
  return b.timeFrom <= a.timeTo + NEAR_MS && a.timeFrom <= b.timeTo + NEAR_MS;
}

function newestOfKind(gaps: ReadonlyMap<number, Gap>, gap: Gap): Gap | undefined {
  const kind = kindOf(gap);
  let newest: Gap | undefined;
  for (const candidate of gaps.values()) if (kindOf(candidate) === kind) newest = candidate;
  return newest;
}

/**
 * Makes one of the two oldest gaps of a kind that follow one another in it. Spans of a kind stay nested or apart only if
 * none between the two is left out.
 */
function joinTwo(gaps: Map<number, Gap>): boolean {
  const oldest = new Map<string, Gap>();
  let pair: [Gap, Gap] | undefined;
  for (const gap of gaps.values()) {
    const before = oldest.get(kindOf(gap));
    if (before !== undefined && (pair === undefined || pair[0].id > before.id)) pair = [before, gap];
    if (before === undefined) oldest.set(kindOf(gap), gap);
  }
  if (pair === undefined) return false;
  gaps.set(pair[0].id, joined(...pair));
  gaps.delete(pair[1].id);
  return true;
}

function changesBetween(before: ReadonlyMap<number, Gap>, after: ReadonlyMap<number, Gap>, next: number): Change[] {
  const changes: Change[] = [];
  for (const [id, value] of after)
    if (before.get(id) !== value) changes.push({ kind: 'document', namespace: GAPS, key: gapKey(id), value });
  for (const id of before.keys())
    if (!after.has(id)) changes.push({ kind: 'document', namespace: GAPS, key: gapKey(id), value: undefined });
  if (changes.length > 0) changes.push({ kind: 'document', ...GAP_COUNTER, value: next });
  return changes;
}

function bounded(loss: Loss): Loss {
  const { series, blocks } = loss;
  const many = series !== undefined && series !== 'all' && series.length > MAX_GAP_SERIES;
  return {
    ...loss,
    ...(many && { series: 'all' as const }),
    ...(blocks !== undefined && { blocks: union(blocks, []) }),
  };
}

function touching(a: Gap['positions'], b: Gap['positions']): [number, number] | undefined {
  if (a === undefined || b === undefined || a[1] + 1 < b[0] || b[1] + 1 < a[0]) return undefined;
  return [Math.min(a[0], b[0]), Math.max(a[1], b[1])];
}

function union(a: readonly Range[], b: readonly Range[]): [number, number][] {
  const result: [number, number][] = [];
  for (const [from, to] of [...a, ...b].toSorted((x, y) => x[0] - y[0])) {
    const last = result.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

const hull = (ranges: readonly Range[]): [number, number] => [ranges[0][0], ranges[ranges.length - 1][1]];

function seriesOf({ series: a }: Gap, { series: b }: Gap): Gap['series'] {
  if (a === undefined || b === undefined) return undefined;
  if (a === 'all' || b === 'all') return 'all';
  const both = [...new Set([...a, ...b])].toSorted((x, y) => x - y);
  return both.length > MAX_GAP_SERIES ? 'all' : both;
}
