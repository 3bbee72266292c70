import type { EngineStats } from '../engine.ts';
import { leftOf } from '../readings/segment-entry.ts';
import type { BudgetKeeper } from './budget-keeper.ts';
import { sizesOf } from './file-room.ts';
import type { Maintenance } from './maintenance.ts';
import type { Parts } from './sqlite-parts.ts';

/** What a vault says of itself; cheap enough to be asked every second. */
export function statsOf(parts: Parts, maintenance: Maintenance, budget: BudgetKeeper): EngineStats {
  const { catalogue, readings, directory, written, findings } = parts;
  const { blocks, bytes } = catalogue.outbox.streams.waiting();
  const entries = readings.entries();
  const left = entries.map(leftOf).filter(({ readings: some }) => some > 0);
  const folded = left.reduce((sum, { readings: some }) => sum + some, 0);
  const sizes = sizesOf(directory);
  // Until they are read back after a start, what no segment holds is told by its positions.
  const oldestHeld = parts.log.oldestPosition ?? catalogue.head;
  const foldedTo = Math.max(1, oldestHeld, ...entries.map(({ positionTo }) => positionTo));
  const unfolded = readings.open.readings + readings.waiting.readings;
  const held = folded + (parts.catchUp.done ? unfolded : catalogue.head - foldedTo);
  const atRest = sizes.total - sizes.ballast - parts.log.bytes.allocated;
  const oldest = Math.min(...left.map(({ timeFrom }) => timeFrom));
  const trouble = maintenance.trouble === undefined ? undefined : `not folded: ${maintenance.trouble}`;
  // A full disk is one problem, whatever it stands in the way of.
  const said = [...findings.problems, ...[budget.problem ?? trouble].filter((text) => text !== undefined)];
  return {
    readings: held,
    bytes: sizes.total,
    blocksWaiting: blocks,
    blockBytesWaiting: bytes,
    alertsWaiting: catalogue.alerts.waiting,
    orphanBlocksWaiting: catalogue.outbox.streams.orphanBlocks,
    quarantined: catalogue.door.quarantined,
    damaged: catalogue.damage.count,
    problems: said,
    bytesAtRest: atRest,
    ...(folded === 0 ? {} : { bytesPerReading: sizes.segments / folded }),
    bytesWritten: {
      journal: written.journal,
      segments: written.segments,
      catalogue: written.catalogue + catalogue.bytesWritten,
    },
    readingsWritten: written.readings,
    openChunkBytes: readings.open.bytes + readings.waiting.bytes,
    segments: entries.length,
    ...budget.stats(),
    ...(Number.isFinite(oldest) ? { oldestReadingTime: oldest } : {}),
  };
}
