import { createHash, createHmac, hkdfSync, randomBytes, scryptSync } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { z } from 'zod';
import { TideError } from '../../node/errors.ts';
import type { RecordKeys } from './sealed.ts';

/**
 * How the key-encryption key is made from the secret. A secret of 32 or more random bytes goes through HKDF (RFC 5869);
 * a passphrase through scrypt (RFC 7914), whose cost is stored so that a later version can raise it.
 */
const bytes = (length: number): z.ZodType<string> =>
  z.string().refine((text) => Buffer.from(text, 'base64').length === length, `not ${length} bytes in base64`);

const derivationSchema = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('hkdf'), salt: bytes(16) }),
  z.strictObject({
    method: z.literal('scrypt'),
    salt: bytes(16),
    // Bounded, because a header that asks for a terabyte would be obeyed.
    N: z.union([2 ** 15, 2 ** 16, 2 ** 17, 2 ** 18, 2 ** 19, 2 ** 20].map((n) => z.literal(n))),
    r: z.number().int().min(8).max(16),
    p: z.number().int().min(1).max(4),
  }),
]);

/** What stands in clear beside the data: wrapped data keys, and how to make the key that opens them. */
export const keyHeaderSchema = z.strictObject({
  format: z.literal(1),
  derivation: derivationSchema,
  /** Tells a wrong key from damaged bytes: the first 8 bytes of a hash of the key-encryption key. */
  check: bytes(8),
  /** Wrapped data keys by number (one for each month of reading time later on). */
  keys: z
    .array(z.strictObject({ id: z.number().int().min(1), wrapped: bytes(24 + 32 + 16) }))
    .min(1)
    .max(1200),
});
export type KeyHeader = z.infer<typeof keyHeaderSchema>;

type Derivation = z.infer<typeof derivationSchema>;

export const MIN_PASSPHRASE = 8;
const SCRYPT = { N: 2 ** 15, r: 8, p: 1 } as const;

/** The data keys of an unlocked vault, and what is derived from them. */
export class KeyRing implements RecordKeys {
  readonly current: number;
  private readonly records = new Map<number, Uint8Array>();
  private readonly names: Uint8Array;

  constructor(dataKeys: ReadonlyMap<number, Uint8Array>) {
    this.current = Math.max(...dataKeys.keys());
    for (const [id, key] of dataKeys) this.records.set(id, derive(key, 'tidegate vault records'));
    // Names are found again by their hash, so its key must stay the same whatever other keys come and go.
    this.names = derive(dataKeys.get(Math.min(...dataKeys.keys()))!, 'tidegate vault names');
  }

  recordKey(id: number): Uint8Array | undefined {
    return this.records.get(id);
  }

  /** Keyed hash of a name under which a row is found: HMAC-SHA256, first 16 bytes. Parts are length-prefixed. */
  nameHash(...parts: readonly string[]): Buffer {
    const mac = createHmac('sha256', this.names);
    for (const part of parts) mac.update(`${Buffer.byteLength(part)}:`).update(part);
    return mac.digest().subarray(0, 16);
  }
}

/** Makes the header of a new vault, with one fresh data key. */
export function createKeys(secret: string): { header: KeyHeader; ring: KeyRing } {
  const salt = randomBytes(16).toString('base64');
  const derivation: Derivation =
    randomSecret(secret) === undefined ? { method: 'scrypt', salt, ...SCRYPT } : { method: 'hkdf', salt };
  const kek = keyEncryptionKey(secret, derivation);
  const dataKeys = new Map([[1, new Uint8Array(randomBytes(32))]]);
  return { header: wrapAll(kek, derivation, dataKeys), ring: new KeyRing(dataKeys) };
}

/** Opens the data keys. Throws TideError `wrong-key` when the secret is another one, `damaged` when the header is. */
export function unlock(header: KeyHeader, secret: string): KeyRing {
  const kek = keyEncryptionKey(secret, header.derivation);
  if (checkOf(kek) !== header.check)
    throw new TideError('wrong-key', 'the key does not fit this vault; nothing was changed');
  const dataKeys = new Map<number, Uint8Array>();
  for (const { id, wrapped } of header.keys) {
    const box = Buffer.from(wrapped, 'base64');
    try {
      dataKeys.set(id, xchacha20poly1305(kek, box.subarray(0, 24), wrapping(id)).decrypt(box.subarray(24)));
    } catch (cause) {
      throw new TideError('damaged', `wrapped data key ${id}: its seal is broken`, { cause });
    }
  }
  return new KeyRing(dataKeys);
}

function wrapAll(kek: Uint8Array, derivation: Derivation, dataKeys: ReadonlyMap<number, Uint8Array>): KeyHeader {
  const keys = [...dataKeys].map(([id, key]) => {
    const nonce = randomBytes(24);
    const box = xchacha20poly1305(kek, nonce, wrapping(id)).encrypt(key);
    return { id, wrapped: Buffer.concat([nonce, box]).toString('base64') };
  });
  return { format: 1, derivation, check: checkOf(kek), keys };
}

function keyEncryptionKey(secret: string, derivation: Derivation): Uint8Array {
  const salt = Buffer.from(derivation.salt, 'base64');
  if (derivation.method === 'hkdf') {
    const random = randomSecret(secret);
    if (random === undefined)
      throw new TideError('wrong-key', 'this vault was made with a random key, and what was given is a passphrase');
    return new Uint8Array(hkdfSync('sha256', random, salt, 'tidegate vault key', 32));
  }
  const { N, r, p } = derivation;
  return new Uint8Array(scryptSync(secret.normalize('NFKC'), salt, 32, { N, r, p, maxmem: 256 * N * r }));
}

/** The bytes of a secret that is 32 or more bytes in hexadecimal or base64; undefined for a passphrase. */
function randomSecret(secret: string): Buffer | undefined {
  if (/^(?:[0-9a-fA-F]{2}){32,}$/.test(secret)) return Buffer.from(secret, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43,}={0,2}$/.test(secret)) return undefined;
  // Many words without a space look like base64 too; random bytes all but always have all three of these.
  if (![/[a-z]/, /[A-Z]/, /\d/].every((some) => some.test(secret))) return undefined;
  const decoded = Buffer.from(secret, 'base64');
  return decoded.length >= 32 ? decoded : undefined;
}

const checkOf = (kek: Uint8Array): string =>
  createHash('sha256').update('tidegate vault key check').update(kek).digest().subarray(0, 8).toString('base64');

const wrapping = (id: number): Uint8Array => Buffer.from(`tidegate wrapped key 1 ${id}`);

const derive = (key: Uint8Array, label: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', key, new Uint8Array(0), label, 32));
