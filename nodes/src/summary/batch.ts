import { TideError } from '../node/errors.ts';
import type { NodeMessage } from '../node/node-red.ts';
import type { Reading } from '../reading/reading.ts';
import { MAX_TIME } from './windows.ts';

/** Readings in one message; a larger one is refused as a whole. */
export const MAX_BATCH = 1_000_000;

export interface ReceivedBatch {
  /** Readings that can be summarised, in their order. */
  readings: Reading[];
  /** Why the others cannot be. */
  problem: TideError | undefined;
}

/** What a message brings. Broken readings do not keep out the good ones beside them: those may never come again. */
export function receiveBatch({ payload }: NodeMessage): ReceivedBatch {
  if (!Array.isArray(payload))
    throw new TideError(
      'not-readings',
      `payload is ${payload === null ? 'null' : `a ${typeof payload}`}; a batch of readings is wanted, as tide-ingest, tide-detect and tide-store send it`,
    );
  if (payload.length > MAX_BATCH)
    throw new TideError('too-large', `payload has ${payload.length} readings; at most ${MAX_BATCH} are taken at once`);
  const readings: Reading[] = [];
  let problem: string | undefined;
  let broken = 0;
  for (const item of payload as unknown[]) {
    if (isReading(item)) {
      readings.push(item);
      continue;
    }
    problem ??= problemOf(item);
    broken++;
  }
  return {
    readings,
    problem:
      problem === undefined
        ? undefined
        : new TideError(
            'not-readings',
            broken === 1 ? problem : `${problem} (and ${broken - 1} more of ${payload.length})`,
          ),
  };
}

function isReading(item: unknown): item is Reading {
  return problemOf(item) === undefined;
}

function problemOf(item: unknown): string | undefined {
  if (typeof item !== 'object' || item === null)
    return `payload holds ${JSON.stringify(item) ?? 'nothing'} where a reading is wanted`;
  const { series, time, value, quality, position }: Partial<Record<keyof Reading, unknown>> = item;
  if (typeof series !== 'string' || series === '' || series.length > 1024) return 'a reading has no name of a series';
  if (typeof time !== 'number' || !(Math.abs(time) <= MAX_TIME))
    return `a reading of ${series} has the time ${String(time)}; milliseconds since 1970 are wanted`;
  if (typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'string')
    return `a reading of ${series} has ${value === null ? 'null' : `a ${typeof value}`} for a value; a number, true or false, or a text is wanted`;
  if (quality !== 'good' && quality !== 'uncertain' && quality !== 'bad')
    return `a reading of ${series} has the quality ${JSON.stringify(quality)}; good, uncertain or bad is wanted`;
  if (typeof position !== 'number' || !Number.isSafeInteger(position) || position < 1)
    return `a reading of ${series} has no place in the journal; put tide-ingest or tide-store before this node`;
  return undefined;
}
