/** Who this gateway is to its cloud, kept in its vault. */
import { z } from 'zod';
import { TideError } from '../node/errors.ts';
import type { Change, Vault } from '../vault/vault.ts';
import { decodeToken } from './enrolment.ts';
import { makeIdentity, type Identity, type PeerKeys } from './identity.ts';
import { byteString } from './messages.ts';

/** Namespace of the enrolment among the vault's documents. */
export const IDENTITY = 'identity';
const DOCUMENT = { namespace: IDENTITY, key: 'gateway' } as const;
/** Tokens that are remembered as used. */
const MAX_PAST_TOKENS = 32;

/** A gateway's place in a cloud, and the keys that prove it. */
export interface Enrolment {
  tenant: string;
  gateway: string;
  identity: Identity;
  /** The cloud's public keys, from the token. */
  cloudKeys: PeerKeys;
  /** Where the cloud listens, as the token says. */
  broker?: string;
  /** Id of the token; its secret only until the cloud has answered with WELCOME. */
  tokenId: string;
  tokenSecret?: Uint8Array;
  /** Ids of earlier tokens, so that one left in a flow does not enrol again. */
  pastTokens: string[];
}

const key = byteString.transform((bytes) => Uint8Array.from(bytes));
const pair = z.object({ publicKey: key, privateKey: key });
const stored = z.object({
  tenant: z.string(),
  gateway: z.string(),
  identity: z.object({ sign: pair, agree: pair }),
  cloudKeys: z.object({ sign: key, agree: key }),
  broker: z.string().optional(),
  tokenId: z.string(),
  tokenSecret: key.optional(),
  pastTokens: z.array(z.string()),
});

/** Undefined for a vault that was never enrolled. Throws TideError `bad-enrolment` when what is stored cannot be read. */
export async function loadEnrolment(vault: Vault): Promise<Enrolment | undefined> {
  const value = await vault.documents.get(DOCUMENT.namespace, DOCUMENT.key);
  if (value === undefined) return undefined;
  const read = stored.safeParse(value);
  if (!read.success)
    throw new TideError('bad-enrolment', 'the enrolment in the vault cannot be read; enrol the gateway again');
  return read.data;
}

/**
 * Takes in a token. One that the vault already knows changes nothing, so that it may stay in a flow or a script; a
 * new one enrols again, under new keys unless it is for the same gateway of the same tenant.
 */
export async function storeEnrolment(vault: Vault, token: string): Promise<Enrolment> {
  const { id, secret, tenant, gateway, cloudKeys, broker } = decodeToken(token);
  const before = await loadEnrolment(vault);
  if (before !== undefined && (before.tokenId === id || before.pastTokens.includes(id))) return before;
  const same = before?.tenant === tenant && before.gateway === gateway;
  const enrolment: Enrolment = {
    tenant,
    gateway,
    identity: same ? before.identity : makeIdentity(),
    cloudKeys,
    ...(broker === undefined ? {} : { broker }),
    tokenId: id,
    tokenSecret: secret,
    pastTokens: before === undefined ? [] : [before.tokenId, ...before.pastTokens].slice(0, MAX_PAST_TOKENS),
  };
  await vault.commit([putEnrolment(enrolment)]);
  return enrolment;
}

/** The token has done its work: its secret goes. */
export function withoutSecret(enrolment: Enrolment): Enrolment {
  const { tokenSecret: _, ...rest } = enrolment;
  return rest;
}

export function putEnrolment(enrolment: Enrolment): Change {
  return { kind: 'document', ...DOCUMENT, value: enrolment };
}
