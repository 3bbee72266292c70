import { TideError } from '../node/errors.ts';
import type { NodeMessage } from '../node/node-red.ts';
import type { Reading } from '../reading/reading.ts';

/** Most readings that one message may carry. */
export const MAX_BATCH = 100_000;

/** The readings of a message: a batch, or one alone. Throws a TideError that names what was found instead. */
export function readingsOf({ payload }: NodeMessage): Reading[] {
  const batch: unknown[] = Array.isArray(payload) ? payload : [payload];
  if (batch.length > MAX_BATCH)
    throw new TideError('batch-too-large', `payload has ${batch.length} readings; at most ${MAX_BATCH} are allowed`);
  checkReadings(batch, Array.isArray(payload));
  return batch;
}

/** Whether the message is read again from the journal. */
export function isReplay({ tide }: NodeMessage): boolean {
  return typeof tide === 'object' && tide !== null && 'replay' in tide && tide.replay === true;
}

function checkReadings(batch: unknown[], many: boolean): asserts batch is Reading[] {
  for (let i = 0; i < batch.length; i++) {
    const problem = problemOf(batch[i]);
    if (problem === undefined) continue;
    const where = many ? `payload[${i}]` : 'payload';
    throw new TideError('not-a-reading', `${where} ${problem}; a reading is {series, time, value, quality}`);
  }
}

function problemOf(candidate: unknown): string | undefined {
  if (typeof candidate !== 'object' || candidate === null)
    return candidate === null || candidate === undefined ? `is ${candidate}` : `is a ${typeof candidate}`;
  const { series, time, value, position } = fieldsOf(candidate);
  if (typeof series !== 'string' || series.length === 0 || series.length > 1024)
    return `has series ${shown(series)}; 1 to 1024 characters are allowed`;
  if (typeof time !== 'number' || !(Math.abs(time) <= 8.64e15))
    return `has time ${shown(time)}; epoch milliseconds are allowed`;
  const kind = typeof value;
  if (kind !== 'boolean' && kind !== 'string' && !Number.isFinite(value))
    return `has value ${shown(value)}; a finite number, a boolean or a string is allowed`;
  if (position !== undefined && !(typeof position === 'number' && Number.isSafeInteger(position) && position > 0))
    return `has position ${shown(position)}; a positive whole number or none is allowed`;
  return undefined;
}

/** A function of its own so that no copy is made: this is done for every reading. */
function fieldsOf(candidate: object): { [name in keyof Reading]?: unknown } {
  return candidate;
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : `of type ${typeof value}`;
}
