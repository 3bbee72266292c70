import { addReading, emptySummary, encodeBlock } from '@tidegate/nodes/summary';
import type { Change } from '@tidegate/nodes/vault';
import { hex } from './writer-state.ts';

/** Streams as those of the node that summarises: minutes, and hours that cover them. */
export const MINUTES = 'operations/60';
const HOURS = 'operations/3600';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2025, 11, 20);
/** Series in a block: they make it some hundreds of bytes. */
const SERIES = 24;

/** A block of one window, from which the vault can tell its time. */
function blockOf(windowStart: number): Uint8Array {
  const parts = Array.from({ length: SERIES }, (_, i) => {
    const value = Math.sin(windowStart + i);
    const one = { series: `w0/s${i}`, time: windowStart, value, quality: 'good' as const, clock: 'device' as const };
    return { series: i + 1, windowStart, summary: addReading(emptySummary(), { ...one, position: i + 1 }) };
  });
  return encodeBlock(parts);
}

const minutesOf = (count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => blockOf(START + i * MINUTE));

/** Bodies of the blocks of minutes by number, from 1. */
export const minutesWaiting = (count: number): Map<number, string> =>
  new Map(minutesOf(count).map((body, i) => [i + 1, hex(body)]));

/**
 * What is committed once all readings are summarised: the consumer that did it has passed them and is the only one left;
 * blocks of minutes wait, and one of hours that covers them is at the cloud.
 */
export function summaryChanges(passed: number, minutes: number, writers: number): Change[] {
  const lastHour = START + Math.ceil((minutes * MINUTE) / HOUR) * HOUR;
  return [
    { kind: 'consumer', consumer: 'summary/60', replayFrom: passed },
    ...Array.from({ length: writers }, (_, i): Change => ({ kind: 'forget-consumer', consumer: `w${i}` })),
    ...minutesOf(minutes).map((body): Change => ({ kind: 'block', stream: MINUTES, body })),
    { kind: 'block', stream: HOURS, body: blockOf(lastHour) },
    { kind: 'blocks-acknowledged', stream: HOURS, ranges: [[1, 1]] },
  ];
}
