import { hash } from 'node:crypto';

import { reasonOf } from '@tidegate/nodes/node';
import {
  decimalToString,
  decodeBlockEncoded,
  purposeOf,
  resolutionOf,
  statesView,
  type Summary,
} from '@tidegate/nodes/summary';
import { CATALOGUE_STREAM, FrameError, decodeCatalogue } from '@tidegate/nodes/sync';

import {
  FIGURES_FROM_S,
  type CatalogueRecord,
  type Figures,
  type ForkRecord,
  type PartRecord,
  type PoisonRecord,
  type ReceiptRecord,
} from '../store/store.ts';
import type { Sender } from './opener.ts';

/** A block on its way into the database: its records may take several transactions, its receipt is in the last of them. */
export interface BlockUnit {
  sender: Sender;
  records: (PartRecord | CatalogueRecord)[];
  /** Records that are committed already. */
  done: number;
  end: ReceiptRecord | PoisonRecord | ForkRecord;
}

/** Largest body of a block that is taken apart, bytes. Gateways make blocks of some 16 kB; alerts wait while one is decoded. */
const MAX_BLOCK_BODY = 1 << 20;
/** Bytes of a poisonous block that are kept for whoever looks into it. */
const KEPT_OF_POISON = 4096;

/** What a block brings. One that cannot be read becomes its own entry in quarantine. Throws FrameError for a stream of no known kind. */
export function blockUnit(sender: Sender, stream: string, number: number, body: Uint8Array): BlockUnit {
  const { gatewayId, incarnationId } = sender;
  const digest = hash('sha256', body, 'buffer');
  const end: ReceiptRecord = { kind: 'receipt', gatewayId, incarnationId, stream, number, digest };
  try {
    if (body.length > MAX_BLOCK_BODY)
      throw new Error(`it has ${body.length} bytes; at most ${MAX_BLOCK_BODY} are taken`);
    return { sender, records: recordsOf(sender, stream, number, body), done: 0, end };
  } catch (error) {
    if (error instanceof UnknownStream) throw error;
    return { sender, records: [], done: 0, end: poisoned(end, reasonOf(error), body) };
  }
}

/** The entry that sets a block aside instead of taking it in. */
export function poisoned(end: BlockUnit['end'], reason: string, body: Uint8Array = new Uint8Array(0)): PoisonRecord {
  const kept = Uint8Array.from(body.subarray(0, KEPT_OF_POISON));
  return { ...end, kind: 'poison', reason: reason.slice(0, 500), body: kept };
}

/** The entry that notes a block whose number is taken, instead of taking it in. */
export function forked({ kind: _kind, ...end }: ReceiptRecord, body: Uint8Array): ForkRecord {
  return { ...end, kind: 'fork', body };
}

class UnknownStream extends FrameError {}

function recordsOf(sender: Sender, stream: string, number: number, body: Uint8Array): BlockUnit['records'] {
  const { gatewayId, incarnationId } = sender;
  if (stream === CATALOGUE_STREAM)
    return decodeCatalogue(body).map((entry) => ({
      kind: 'catalogue',
      gatewayId,
      incarnationId,
      block: number,
      entry,
    }));
  const resolution = resolutionOf(stream);
  const purpose = purposeOf(stream);
  if (resolution === undefined || purpose === undefined)
    throw new UnknownStream('malformed', `stream ${stream} is neither ${CATALOGUE_STREAM} nor PURPOSE/SECONDS`);
  return decodeBlockEncoded(body).map(({ series, windowStart, summary, encoded }): PartRecord => {
    if (windowStart % (resolution * 1000) !== 0)
      throw new Error(`a window that starts at ${windowStart} is not one of ${resolution} s`);
    const record: PartRecord = {
      kind: 'part',
      gatewayId,
      incarnationId,
      stream,
      series,
      windowStart,
      part: number,
      summary: encoded,
      readings: summary.count + summary.bad,
    };
    if (resolution >= FIGURES_FROM_S) record.figures = figuresOf(summary);
    return record;
  });
}

function figuresOf(summary: Summary): Figures {
  const { first, last } = summary;
  return {
    count: summary.count,
    numeric: summary.numeric,
    unit: summary.unit ?? null,
    sum: decimalToString(summary.sum),
    squares: decimalToString(summary.squares),
    min: summary.min ?? null,
    max: summary.max ?? null,
    first: first === undefined ? null : { time: first.time, value: first.value },
    last: last === undefined ? null : { time: last.time, value: last.value },
    anomalies: summary.anomalies,
    uncertain: summary.uncertain,
    bad: summary.bad,
    ...statesView(summary),
  };
}
