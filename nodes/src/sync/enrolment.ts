/**
 * Enrolment tokens: what a cloud hands out once so that a gateway can register its keys. `tg1.` and base64url of CBOR
 * followed by the first four bytes of its SHA-256, which catch a token that was cut off or mistyped.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { TideError, reasonOf } from '../node/errors.ts';
import { decodeBody, encodeBody } from './body.ts';
import { KEY_BYTES, type PeerKeys, type RandomBytes } from './identity.ts';
import { byteString } from './messages.ts';
import { NAME, checkName } from './topics.ts';

const PREFIX = 'tg1.';
const MAX_TOKEN_CHARACTERS = 2048;
const CHECK_BYTES = 4;

const key = byteString.refine((value) => value.length === KEY_BYTES, `${KEY_BYTES} bytes`);
const tokenSchema = z.object({
  /** Names the token; not secret. */
  id: z.string().regex(/^[0-9a-f]{16}$/),
  secret: key,
  tenant: z.string().regex(NAME),
  gateway: z.string().regex(NAME),
  /** The cloud's public keys: the gateway trusts nobody else. */
  cloudKeys: z.object({ sign: key, agree: key }),
  /** Where the cloud listens, e.g. `mqtt://cloud.example:1883`. */
  broker: z.string().max(512).optional(),
});
export type EnrolmentToken = z.infer<typeof tokenSchema>;

export interface TokenRequest {
  tenant: string;
  gateway: string;
  cloudKeys: PeerKeys;
  broker?: string;
}

/** Throws TideError `bad-name`. */
export function makeToken(request: TokenRequest, random: RandomBytes = randomBytes): EnrolmentToken {
  return {
    id: Buffer.from(random(8)).toString('hex'),
    secret: Uint8Array.from(random(KEY_BYTES)),
    tenant: checkName('tenant', request.tenant),
    gateway: checkName('gateway', request.gateway),
    cloudKeys: { sign: request.cloudKeys.sign, agree: request.cloudKeys.agree },
    ...(request.broker === undefined ? {} : { broker: request.broker }),
  };
}

export function encodeToken(token: EnrolmentToken): string {
  const body = encodeBody(tokenSchema, token);
  return PREFIX + Buffer.concat([body, check(body)]).toString('base64url');
}

/** Throws TideError `bad-token`, saying what is wrong without repeating the token. */
export function decodeToken(text: string): EnrolmentToken {
  const token = text.trim();
  if (token.length === 0) throw bad('it is empty');
  if (token.length > MAX_TOKEN_CHARACTERS)
    throw bad(`it has ${token.length} characters, at most ${MAX_TOKEN_CHARACTERS} are allowed`);
  if (!token.startsWith(PREFIX)) throw bad(`it does not begin with ${PREFIX}`);
  const encoded = token.slice(PREFIX.length);
  if (!/^[A-Za-z0-9_-]+$/.test(encoded)) throw bad('it contains characters that no token has');
  const bytes = Buffer.from(encoded, 'base64url');
  const body = bytes.subarray(0, -CHECK_BYTES);
  if (body.length === 0 || !check(body).equals(bytes.subarray(-CHECK_BYTES)))
    throw bad('its checksum does not fit: it is cut off or mistyped');
  try {
    return decodeBody(tokenSchema, body);
  } catch (error) {
    throw bad(reasonOf(error));
  }
}

/** What the cloud keeps of a token's secret: enough to check a proof. */
export function tokenVerifier(secret: Uint8Array): Uint8Array {
  return createHash('sha256').update('tide/v1 token\0').update(secret).digest();
}

/** HMAC-SHA256 that binds the token to these keys under this name. `secret` is the token's. */
export function enrolmentProof(secret: Uint8Array, tenant: string, gateway: string, keys: PeerKeys): Uint8Array {
  return proofOf(tokenVerifier(secret), tenant, gateway, keys);
}

/** Whether `proof` was made with the secret behind `verifier` for exactly these names and keys. */
export function proofHolds(
  verifier: Uint8Array,
  proof: Uint8Array,
  tenant: string,
  gateway: string,
  keys: PeerKeys,
): boolean {
  const expected = proofOf(verifier, tenant, gateway, keys);
  return proof.length === expected.length && timingSafeEqual(proof, expected);
}

function proofOf(verifier: Uint8Array, tenant: string, gateway: string, keys: PeerKeys): Buffer {
  return createHmac('sha256', verifier)
    .update(`tide/v1 enrol\0${tenant}/${gateway}\0`)
    .update(keys.sign)
    .update(keys.agree)
    .digest();
}

function check(body: Uint8Array): Buffer {
  return createHash('sha256').update(body).digest().subarray(0, CHECK_BYTES);
}

function bad(what: string): TideError {
  return new TideError(
    'bad-token',
    `the enrolment token is not one: ${what}. Tokens come from "tidegate-cloud enroll NAME"`,
  );
}
