import { z } from 'zod';
import type { Clock } from '../../node/clock.ts';
import { snapshots, boxesOf } from '../catalogue/sqlite-snapshot.ts';
import type { Finding } from '../disk.ts';
import type { InventoryKind, InventoryPage } from '../inventory.ts';
import { inventoryOf } from './sqlite-cut.ts';
import type { Parts } from './sqlite-parts.ts';

/** How long one slice reads, milliseconds. */
const SLICE_MS = 20;

/** Reads everything that the vault holds, a slice at a time so that others are answered in between. */
export class Verification {
  private readonly parts: Parts;
  private readonly clock: Clock;
  private reading: Iterator<Finding | undefined, void> | undefined;

  constructor(parts: Parts, clock: Clock) {
    this.parts = parts;
    this.clock = clock;
  }

  /** What one slice found; `begin` starts from the beginning. */
  slice(begin: boolean): { findings: Finding[]; done: boolean } {
    const reading = (this.reading = begin || this.reading === undefined ? verifyParts(this.parts) : this.reading);
    const findings: Finding[] = [];
    const until = this.clock.monotonic() + SLICE_MS;
    while (this.clock.monotonic() < until) {
      const next = this.next(reading);
      if (next.done === true) {
        this.reading = undefined;
        return { findings, done: true };
      }
      if (next.value !== undefined) findings.push(next.value);
    }
    return { findings, done: false };
  }

  /** What the disk does not give now is no finding. It ends this reading, and the next one begins anew. */
  private next(reading: Iterator<Finding | undefined, void>): IteratorResult<Finding | undefined, void> {
    try {
      return reading.next();
    } catch (error) {
      this.reading = undefined;
      throw error;
    }
  }
}

/** Yields findings, and undefined where the caller may go about other work. */
function* verifyParts(parts: Parts): Generator<Finding | undefined, void> {
  yield* parts.log.verifySteps();
  yield* parts.readings.verifySteps();
  yield* verifyBlocks(parts);
  yield* verifySnapshots(parts);
  yield* verifyCatalogue(parts);
}

function* verifyBlocks({ blockFiles, catalogue }: Parts): Generator<Finding | undefined> {
  for (const broken of catalogue.outbox.filing.broken(0))
    yield { place: 'catalogue, blocks', kind: 'altered', text: `block ${broken} does not open` };
  const loads = catalogue.outbox.filing.fileLoads();
  for (const number of loads.keys()) {
    const place = `block file ${number}`;
    if (!blockFiles.numbers().includes(number)) {
      yield { place, kind: 'removed', text: 'blocks that wait for the cloud lay in it' };
      continue;
    }
    for (const broken of catalogue.outbox.filing.broken(number))
      yield { place, kind: 'altered', text: `block ${broken} does not open` };
    yield undefined;
  }
}

function* verifySnapshots({ state, store }: Parts): Generator<Finding | undefined> {
  for (const number of snapshots(state)) {
    let index = 0;
    for (const box of boxesOf(state, store.sealer, number)) {
      if (box === undefined)
        yield { place: `snapshot ${number}, box ${index}`, kind: 'altered', text: 'it does not open' };
      else yield undefined;
      index++;
    }
  }
}

const KINDS: readonly InventoryKind[] = [
  'documents',
  'consumers',
  'checkpoints',
  'causes',
  'streams',
  'alerts',
  'rejections',
];
const PAGE_BYTES = 256 * 1024;

/** SQLite's own check, and the seal of every row. */
function* verifyCatalogue(parts: Parts): Generator<Finding | undefined> {
  const { catalogue } = parts;
  for (const { integrity_check: text } of checkSchema.parse(catalogue.db.pragma('integrity_check(100)')))
    if (text !== 'ok') yield { place: 'catalogue', kind: 'altered', text };
  parts.flush();
  const rows = inventoryOf(parts);
  try {
    for (const kind of KINDS) {
      for (let at: number | undefined = 0; at !== undefined;) {
        const page: InventoryPage<InventoryKind> = rows.page(kind, at, PAGE_BYTES);
        if (page.lost > 0)
          yield { place: `catalogue, ${kind}`, kind: 'altered', text: `${page.lost} rows do not open` };
        else yield undefined;
        at = page.next;
      }
    }
  } finally {
    rows.close();
  }
}

const checkSchema = z.array(z.object({ integrity_check: z.string() }));
