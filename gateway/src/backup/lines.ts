/** What a backup holds beside readings, one JSON object in a line; bytes stand as base64. */
import { decodeAlert } from '@tidegate/nodes/detect';
import { TideError } from '@tidegate/nodes/node';
import { decodeCbor, type InventoryItems, type InventoryKind, type SeriesEntry } from '@tidegate/nodes/vault';
import { z } from 'zod';

const bytes = z.string().transform((text) => Uint8Array.from(Buffer.from(text, 'base64')));
const whole = z.number().int().nonnegative();

/** Lines by folder, as they are read back. What stands in them for people only is left out. */
export const LINES = {
  series: z.object({ number: whole, name: z.string() }),
  documents: z.object({ namespace: z.string(), key: z.string(), cbor: bytes }),
  consumers: z.object({ consumer: z.string().optional(), replayFrom: whole }),
  checkpoints: z.object({ consumer: z.string(), series: z.string(), position: whole, state: bytes }),
  causes: z.object({ source: z.string(), cause: whole }),
  streams: z.object({ stream: z.string(), sealed: whole, count: whole }),
  blocks: z.object({ stream: z.string(), number: whole, body: bytes }),
  alerts: z.object({ id: z.string(), revision: whole, body: bytes }),
  rejections: z.object({ cbor: bytes }),
  totals: z.object({ series: z.string(), readings: whole, from: z.number(), to: z.number(), sum: z.string().max(256) }),
};
export type LineFolder = keyof typeof LINES;
export type Line<Of extends LineFolder> = z.infer<(typeof LINES)[Of]>;

/** Throws a TideError `bad-archive` that names the line. */
export function* linesOf<Of extends LineFolder>(folder: Of, text: string, part: string): Generator<Line<Of>> {
  for (const [i, line] of text.split('\n').entries()) {
    if (line === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      throw new TideError('bad-archive', `${part}: line ${i + 1} is no JSON`, { cause: error });
    }
    const read = LINES[folder].safeParse(value);
    if (!read.success)
      throw new TideError(
        'bad-archive',
        `${part}: line ${i + 1}: ${read.error.issues[0]?.path.join('.')} does not fit`,
      );
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- parsed by the schema of this very folder
    yield read.data as Line<Of>;
  }
}

/** Namespaces of documents whose values are not shown a second time in words: keys are in them. */
const SECRET = new Set(['identity', 'backup']);

type Written = Exclude<InventoryKind, 'receipts'>;
const WRITERS: { [Kind in Written]: (item: InventoryItems[Kind], nameOf: (series: number) => string) => object } = {
  documents: ({ namespace, key, value }) => ({
    namespace,
    key,
    ...(SECRET.has(namespace) ? {} : { value: plain(decodeCbor(value)) }),
    cbor: base64(value),
  }),
  consumers: (item) => item,
  checkpoints: ({ consumer, series, position, state }, nameOf) => ({
    consumer,
    series: nameOf(series),
    position,
    state: base64(state),
  }),
  causes: (item) => item,
  streams: (item) => item,
  blocks: ({ stream, number, body }) => ({ stream, number, body: base64(body) }),
  alerts: ({ id, revision, body }) => ({ id, revision, alert: alertIn(body), body: base64(body) }),
  rejections: (item) => ({ rejection: plain(decodeCbor(item)), cbor: base64(item) }),
};

export const isWritten = (kind: InventoryKind): kind is Written => Object.hasOwn(WRITERS, kind);

export function inventoryLine<Kind extends Written>(
  kind: Kind,
  item: InventoryItems[Kind],
  nameOf: (series: number) => string,
): string {
  return JSON.stringify(WRITERS[kind](item, nameOf));
}

export const seriesLine = ({ number, name, unit, kind }: SeriesEntry): string =>
  JSON.stringify({ number, name, unit, kind });

const base64 = (data: Uint8Array): string => Buffer.from(data).toString('base64');

function alertIn(body: Uint8Array): unknown {
  try {
    return plain(decodeAlert(body));
  } catch {
    // Written by another version: its bytes are there all the same.
    return undefined;
  }
}

/** A value as JSON can hold it, for a person to read; what is restored are the bytes beside it. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return base64(value);
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
