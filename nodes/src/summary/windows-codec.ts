import type { StateCodec } from '../vault/consumer.ts';
import { WindowAccumulator } from './accumulator.ts';
import { decimalOf, decimalToNumber } from './decimal.ts';
import { LadderPlan } from './ladder.ts';
import { summaryOf, type OpenWindow } from './open-window.ts';
import { readState, writeState } from './states-codec.ts';
import type { StateTrace } from './states.ts';
import { MAX_RESOLUTION } from './stream.ts';
import { decodeSummary, encodeSummary } from './summary-codec.ts';
import { ByteReader, ByteWriter } from './varint.ts';
import { SeriesWindows, type LengthTally } from './windows.ts';

const VERSION = 4;
/** Lengths of which a state counts the readings. A series that had more is no longer counted by those it had first. */
const MAX_LENGTHS = 24;
/** Bytes that `windowsTally` reads at most. */
export const TALLY_BYTES = 512;

/**
 * The open windows of a series as a checkpoint keeps them: counts by length, the lengths of its ladder, then the windows of
 * each that is made from readings. Those of the others are states of their own (`encodeRung`). `monotonic` tells the time
 * on loading: grace starts anew.
 */
export function windowsCodec(plan: LadderPlan, monotonic: () => number): StateCodec<SeriesWindows> {
  return {
    create: (series) => new SeriesWindows(plan.for(series)),
    encode: encodeWindows,
    decode: (bytes) => decodeWindows(bytes, plan, monotonic()),
  };
}

function encodeWindows(windows: SeriesWindows): Uint8Array {
  const { rungs } = windows.ladder;
  const writer = new ByteWriter(256);
  writer.byte(VERSION);
  const tallies = windows.tallies().slice(-MAX_LENGTHS);
  writer.uint(windows.stale);
  writer.uint(tallies.length);
  for (const { resolution, taken, open } of tallies) for (const value of [resolution, taken, open]) writer.uint(value);
  writeTrace(writer, windows.trace);
  const width = decimalOf(windows.ladder.width);
  writer.bigUint(width.mantissa);
  writer.int(width.exponent);
  writer.uint(rungs.length);
  for (const { resolution } of rungs) writer.uint(resolution);
  for (const rung of windows.ladder.roots) writeWindows(writer, windows, rung);
  return writer.finish();
}

/** The open windows of a rung that is made from a finer one. */
export function encodeRung(windows: SeriesWindows, rung: number): Uint8Array {
  const writer = new ByteWriter(128);
  writer.byte(VERSION);
  writeWindows(writer, windows, rung);
  return writer.finish();
}

/** How many, then of each its start in lengths of a window, and its summary. */
function writeWindows(writer: ByteWriter, windows: SeriesWindows, rung: number): void {
  const open = windows.open(rung);
  const { length } = windows.ladder.rungs[rung];
  writer.uint(open.length);
  for (const { start, content } of open) {
    const summary = content instanceof Uint8Array ? content : encodeSummary(content.summary());
    writer.int(start / length);
    writer.uint(summary.length);
    writer.append(summary);
  }
}

/** Undefined for a checkpoint of another version. */
function decodeWindows(bytes: Uint8Array, plan: LadderPlan, monotonic: number): SeriesWindows | undefined {
  const reader = new ByteReader(bytes, 'checkpoint of open windows');
  if (reader.byte() !== VERSION) return undefined;
  const { stale, lengths } = readTally(reader);
  const last = readTrace(reader);
  const width = decimalToNumber({ mantissa: reader.bigUint(), exponent: reader.int() });
  if (!Number.isFinite(width)) reader.fail(`buckets of width ${width}`);
  const count = reader.uint();
  if (count < 1 || count > MAX_LENGTHS) reader.fail(`${count} window lengths`);
  const resolutions = Array.from({ length: count }, () => reader.uint());
  for (const [i, resolution] of resolutions.entries())
    if (resolution < 1 || resolution > MAX_RESOLUTION || resolution <= (resolutions[i - 1] ?? 0))
      reader.fail(`a window length of ${resolution} s`);
  const ladder = plan.ladder(resolutions, width);
  const windows = new SeriesWindows(ladder);
  windows.restoreTallies(stale, lengths);
  windows.trace.last = last;
  for (const rung of ladder.roots) readWindows(reader, windows, rung, monotonic);
  reader.end();
  // What is saved of the other rungs is as it was at the last fold, and stays valid.
  windows.takeChanged();
  return windows;
}

/** Puts the windows of a rung that `encodeRung` wrote; none of another version. Throws TideError `malformed`. */
export function decodeRung(bytes: Uint8Array, windows: SeriesWindows, rung: number, monotonic: number): void {
  const reader = new ByteReader(bytes, 'checkpoint of coarse windows');
  if (reader.byte() !== VERSION) return;
  readWindows(reader, windows, rung, monotonic);
  reader.end();
}

function readWindows(reader: ByteReader, windows: SeriesWindows, rung: number, monotonic: number): void {
  const { length, from } = windows.ladder.rungs[rung];
  for (let left = reader.uint(); left > 0; left--) {
    const start = reader.int() * length;
    const encoded = reader.take(reader.uint());
    // Decoded in any case: a damaged checkpoint is to be noticed now, not when the window closes.
    const summary = decodeSummary(encoded);
    const content = from === -1 ? WindowAccumulator.of(summary, windows.ladder.width) : Uint8Array.from(encoded);
    windows.restore(rung, { start, content, touched: monotonic, forced: false });
  }
}

/** 0 for none; else 1, time and state. */
function writeTrace(writer: ByteWriter, { last }: StateTrace): void {
  writer.byte(last === undefined ? 0 : 1);
  if (last === undefined) return;
  writer.int(last.time);
  writeState(writer, last.state);
}

function readTrace(reader: ByteReader): StateTrace['last'] {
  const known = reader.byte();
  if (known > 1) reader.fail(`a trace of states of kind ${known}`);
  return known === 0 ? undefined : { time: reader.int(), state: readState(reader) };
}

/** What a saved state says of the readings of its series, by length of window, without its windows being read. */
export interface WindowsTally {
  /** Retained readings, which are in no window. */
  stale: number;
  /** Every length that the series has or had. */
  lengths: LengthTally[];
}

/** From the first `TALLY_BYTES` of a saved state of consumer `CONSUMER`; undefined for one of another version. */
export function windowsTally(state: Uint8Array): WindowsTally | undefined {
  const reader = new ByteReader(state, 'checkpoint of open windows');
  return state.length === 0 || reader.byte() !== VERSION ? undefined : readTally(reader);
}

function readTally(reader: ByteReader): WindowsTally {
  const stale = reader.uint();
  const count = reader.uint();
  if (count > MAX_LENGTHS) reader.fail(`counts of ${count} window lengths`);
  const lengths = Array.from({ length: count }, () => ({
    resolution: reader.uint(),
    taken: reader.uint(),
    open: reader.uint(),
  }));
  return { stale, lengths };
}

/** What was taken into windows of which no part was made: the open ones that are made from readings. */
export interface OpenReadings {
  count: number;
  /** Epoch milliseconds of the first and of the last. */
  from: number;
  to: number;
}

/** Of the finest rung alone: what is in a coarser one besides was in parts of that one. Throws TideError `malformed`. */
export function openReadings(state: Uint8Array): OpenReadings[] {
  const windows = decodeWindows(state, new LadderPlan([MAX_RESOLUTION]), 0);
  return (windows?.open(0) ?? []).map(({ start, content }: OpenWindow) => {
    const { count, bad, first, last } = summaryOf(content);
    return { count: count + bad, from: first?.time ?? start, to: last?.time ?? start };
  });
}
