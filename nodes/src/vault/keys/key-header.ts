import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { z } from 'zod';
import { TideError, reasonOf } from '../../node/errors.ts';
import { base64, derivationSchema } from './derivation.ts';
import { LAST_KEY, LAST_MONTH, useOf } from './key-numbers.ts';

export const HEADER_FILE = 'vault.keys';
/** Longest header: 1,200 months, 4,096 shredded ones. */
export const MAX_HEADER_BYTES = 512 * 1024;
export const MAX_MONTH_KEYS = 1_200;
export const MAX_SHREDDED = 4_096;
const FORMAT = 2;
const WRAPPED = 24 + 32 + 16;

const keyId = z
  .number()
  .int()
  .max(LAST_KEY)
  .refine((id) => useOf(id) !== undefined, 'no number of a data key');
const month = z.number().int().min(0).max(LAST_MONTH);
const time = z.number().int();

/** One way to the root key: by one secret. There are two between the two steps of a rotation. */
const lockSchema = z.strictObject({
  derivation: derivationSchema,
  check: base64(8),
  root: base64(WRAPPED),
  since: time,
});
export type Lock = z.infer<typeof lockSchema>;

/**
 * What stands in clear beside the data: wrapped data keys, and how to make the key that opens them. A secret gives a
 * key-encryption key, which wraps the root key; the root key wraps the data keys and authenticates the whole header.
 */
const keyHeaderSchema = z.strictObject({
  format: z.literal(FORMAT),
  /** The store's id, part of the associated data of everything sealed in it; never changes. */
  store: base64(16),
  /** Raised by each writing: an older header that was put back shows. */
  generation: z.number().int().min(1),
  /** The present secret's, then the next one's while a rotation is under way. */
  locks: z.array(lockSchema).min(1).max(2),
  /** Data key of what is journalled now. */
  journal: keyId,
  keys: z
    .array(z.strictObject({ id: keyId, wrapped: base64(WRAPPED) }))
    .min(2)
    .max(MAX_MONTH_KEYS + 1_000),
  /** Data keys that were destroyed, so that a missing one is told from a lost one. */
  shredded: z.array(z.strictObject({ id: keyId, at: time })).max(MAX_SHREDDED),
  /** A shred that began and has not ended: all months before this one go, and journal keys below that one. */
  shredding: z.strictObject({ before: month, since: time, journal: keyId }).optional(),
  /** Hash of all before it: tells accidental damage from a wrong key. First 8 bytes of SHA-256. */
  sum: base64(8),
  /** HMAC-SHA256 of all before `sum` under a key derived from the root key: tells alteration. */
  mac: base64(32),
});
export type KeyHeader = z.infer<typeof keyHeaderSchema>;
export type HeaderContent = Omit<KeyHeader, 'sum' | 'mac'>;

/** Throws TideError `damaged`, `newer-format`, or `older-format` for a header of a version before the first release. */
export function parseHeader(text: string, what: string): KeyHeader {
  if (text.length > MAX_HEADER_BYTES)
    throw new TideError('damaged', `${what}: ${text.length} bytes, at most ${MAX_HEADER_BYTES} expected`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    // Not the parser's own words, which quote the text.
    throw new TideError('damaged', `${what}: not JSON`, { cause: new Error(reasonOf(error).slice(0, 40)) });
  }
  const format = typeof json === 'object' && json !== null && 'format' in json ? json.format : undefined;
  if (typeof format === 'number' && Number.isInteger(format) && format > FORMAT) {
    // Only the number of the format is damaged: no reason to call for a later version.
    const same = keyHeaderSchema.safeParse({ ...Object(json), format: FORMAT });
    if (same.success && isWhole(same.data)) return same.data;
    throw new TideError('newer-format', `${what} has format ${format}; this version reads format ${FORMAT}`);
  }
  if (format === 1)
    throw new TideError(
      'older-format',
      `${what} has format 1, from before the first release; this version reads format ${FORMAT}: move the vault's directory away, and a new vault is made`,
    );
  const parsed = keyHeaderSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TideError('damaged', `${what}: ${issue.path.join('.')}: ${issue.message}`);
}

export const headerText = (header: KeyHeader): string => `${JSON.stringify(header, undefined, 1)}\n`;

export function signed(content: HeaderContent, root: Uint8Array): KeyHeader {
  return { ...content, sum: sumOf(content), mac: macOf(content, root) };
}

export const isWhole = (header: KeyHeader): boolean => sumOf(header) === header.sum;

export const isAuthentic = (header: KeyHeader, root: Uint8Array): boolean => macOf(header, root) === header.mac;

const sumOf = (content: HeaderContent): string =>
  createHash('sha256').update(canonical(content)).digest().subarray(0, 8).toString('base64');

function macOf(content: HeaderContent, root: Uint8Array): string {
  const key = new Uint8Array(hkdfSync('sha256', root, new Uint8Array(0), 'tidegate vault header', 32));
  return createHmac('sha256', key).update(canonical(content)).digest('base64');
}

/** All members in one order, whatever order they were read in. */
function canonical({ format, store, generation, locks, journal, keys, shredded, shredding }: HeaderContent): string {
  return JSON.stringify([
    format,
    store,
    generation,
    locks.map(({ derivation, check, root, since }) => [
      Object.entries(derivation).toSorted(byName),
      check,
      root,
      since,
    ]),
    journal,
    keys.map(({ id, wrapped }) => [id, wrapped]),
    shredded.map(({ id, at }) => [id, at]),
    shredding === undefined ? null : [shredding.before, shredding.since, shredding.journal],
  ]);
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);
