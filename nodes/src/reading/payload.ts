import { reasonOf } from '../node/errors.ts';
import { decodeCbor, looksLikeCbor } from './cbor-format.ts';
import { MAX_PAYLOAD_BYTES } from './limits.ts';
import { Findings } from './metric.ts';
import { quote, readNumber } from './number-format.ts';
import { readObject } from './object-format.ts';
import { isSenml, readSenml } from './senml-format.ts';
import type { BirthBook } from './sparkplug-births.ts';
import { readSparkplug, SPARKPLUG } from './sparkplug-format.ts';

/** Formats a door can read; `auto` looks at each payload. */
export type PayloadFormat = 'auto' | 'number' | 'json' | 'senml' | 'cbor' | 'sparkplug';
export const PAYLOAD_FORMATS: readonly PayloadFormat[] = ['auto', 'number', 'json', 'senml', 'cbor', 'sparkplug'];

export interface PayloadContext {
  topic: string;
  /** Epoch milliseconds of arrival. */
  received: number;
  births: BirthBook;
  maxBytes?: number;
}

/** Finds the values in a payload. Never throws: what cannot be read is a problem with a code and a reason. */
export function readPayload(bytes: Uint8Array, format: PayloadFormat, context: PayloadContext): Findings {
  const limit = context.maxBytes ?? MAX_PAYLOAD_BYTES;
  if (bytes.length === 0) return Findings.failed('empty', 'the payload is empty');
  if (bytes.length > limit)
    return Findings.failed('too-large', `the payload has ${bytes.length} bytes; at most ${limit} are read`);
  switch (format === 'auto' ? guess(bytes, context.topic) : format) {
    case 'sparkplug':
      return readSparkplug(context.topic, bytes, context.births);
    case 'cbor':
      return readCbor(bytes, context);
    case 'number':
      return withText(bytes, readNumber);
    case 'senml':
      return withText(bytes, (text) => withJson(text, (decoded) => readSenml(decoded, context.received)));
    default:
      return withText(bytes, (text) =>
        withJson(text, (decoded) =>
          format === 'auto' && isSenml(decoded) ? readSenml(decoded, context.received) : readObject(decoded),
        ),
      );
  }
}

function guess(bytes: Uint8Array, topic: string): PayloadFormat {
  if (topic.startsWith(SPARKPLUG)) return 'sparkplug';
  let first = 0;
  while (first < bytes.length && bytes[first] <= 0x20) first++;
  if (bytes[first] === 0x7b || bytes[first] === 0x5b || bytes[first] === 0x22) return 'json';
  return looksLikeCbor(bytes) ? 'cbor' : 'number';
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function withText(bytes: Uint8Array, read: (text: string) => Findings): Findings {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return Findings.failed(
      'unreadable',
      `the payload of ${bytes.length} bytes is neither text nor a known binary format`,
    );
  }
  return read(text);
}

function withJson(text: string, read: (decoded: unknown) => Findings): Findings {
  let decoded: unknown;
  try {
    decoded = JSON.parse(text);
  } catch (error) {
    return Findings.failed('unreadable', `the payload ${quote(text)} is not JSON: ${reasonOf(error)}`);
  }
  return read(decoded);
}

function readCbor(bytes: Uint8Array, context: PayloadContext): Findings {
  let decoded: unknown;
  try {
    decoded = decodeCbor(bytes);
  } catch (error) {
    return Findings.failed('unreadable', `the payload is not CBOR: ${reasonOf(error)}`);
  }
  return isSenml(decoded) ? readSenml(decoded, context.received) : readObject(decoded);
}
