import { createHash, hkdfSync, randomBytes, scryptSync } from 'node:crypto';
import { z } from 'zod';

export const base64 = (length: number): z.ZodType<string> =>
  z.string().refine((text) => Buffer.from(text, 'base64').length === length, `not ${length} bytes in base64`);

/**
 * How a key-encryption key is made from a secret. A secret of 32 or more random bytes goes through HKDF (RFC 5869); a
 * passphrase through scrypt (RFC 7914), whose cost is stored so that a later version can raise it.
 */
export const derivationSchema = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('hkdf'), salt: base64(16) }),
  z.strictObject({
    method: z.literal('scrypt'),
    salt: base64(16),
    // Bounded, because a header that asks for a terabyte would be obeyed.
    N: z.union([2 ** 15, 2 ** 16, 2 ** 17, 2 ** 18, 2 ** 19, 2 ** 20].map((n) => z.literal(n))),
    r: z.number().int().min(8).max(16),
    p: z.number().int().min(1).max(4),
  }),
]);
export type Derivation = z.infer<typeof derivationSchema>;

export const MIN_PASSPHRASE = 8;
/** 64 MiB, and 0.16 s on the machine where it was chosen; docs/vault.md says what that means for a small board. */
const SCRYPT = { N: 2 ** 16, r: 8, p: 1 } as const;

/** A derivation with a fresh salt and today's parameters. */
export function newDerivation(secret: string): Derivation {
  const salt = randomBytes(16).toString('base64');
  return randomSecret(secret) === undefined ? { method: 'scrypt', salt, ...SCRYPT } : { method: 'hkdf', salt };
}

/** 32 bytes; undefined when the derivation is for random bytes and the secret is a passphrase. */
export function keyEncryptionKey(secret: string, derivation: Derivation): Uint8Array | undefined {
  const salt = Buffer.from(derivation.salt, 'base64');
  if (derivation.method === 'hkdf') {
    const random = randomSecret(secret);
    if (random === undefined) return undefined;
    const key = new Uint8Array(hkdfSync('sha256', random, salt, 'tidegate vault key', 32));
    random.fill(0);
    return key;
  }
  const { N, r, p } = derivation;
  return new Uint8Array(scryptSync(secret.normalize('NFKC'), salt, 32, { N, r, p, maxmem: 256 * N * r }));
}

/** Tells a wrong key from damaged bytes: the first 8 bytes of a hash of the key-encryption key. */
export const checkOf = (kek: Uint8Array): string =>
  createHash('sha256').update('tidegate vault key check').update(kek).digest().subarray(0, 8).toString('base64');

/** The bytes of a secret that is 32 or more bytes in hexadecimal or base64; undefined for a passphrase. */
function randomSecret(secret: string): Buffer | undefined {
  if (/^(?:[0-9a-fA-F]{2}){32,}$/.test(secret)) return Buffer.from(secret, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43,}={0,2}$/.test(secret)) return undefined;
  // Many words without a space look like base64 too; random bytes all but always have all three of these.
  if (![/[a-z]/, /[A-Z]/, /\d/].every((some) => some.test(secret))) return undefined;
  const decoded = Buffer.from(secret, 'base64');
  return decoded.length >= 32 ? decoded : undefined;
}
