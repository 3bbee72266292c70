/** Grants as documents of the vault. */
import { z } from 'zod';
import { TideError } from '../node/errors.ts';
import { patternProblem } from '../reading/series-pattern.ts';
import type { Change, Vault } from '../vault/vault.ts';
import { GRANTS, Grants, type Grant } from './grants.ts';

/** Most grants that a site can have; each is asked for each new series. */
export const MAX_GRANTS = 1_000;

const PURPOSE = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const grantSchema = z.object({ series: z.string(), purpose: z.string(), since: z.number() });

/** The grants that stand now. */
export async function readGrants(vault: Vault): Promise<Grants> {
  const list: Grant[] = [];
  for (const { value } of await vault.documents.list(GRANTS)) {
    const grant = grantSchema.safeParse(value);
    if (grant.success) list.push(grant.data);
  }
  return new Grants(list.toSorted((a, b) => (grantKey(a.series, a.purpose) < grantKey(b.series, b.purpose) ? -1 : 1)));
}

/** Throws TideError `bad-pattern` or `bad-purpose`. */
export function checkGrant(series: string, purpose: string): void {
  const problem = patternProblem(series);
  if (problem !== undefined) throw new TideError('bad-pattern', `series pattern "${series.slice(0, 80)}" ${problem}`);
  if (!PURPOSE.test(purpose)) {
    throw new TideError(
      'bad-purpose',
      `purpose "${purpose.slice(0, 80)}": up to 32 lower-case letters, digits, dashes and underscores are allowed, e.g. operations`,
    );
  }
}

export function putGrant(grant: Grant): Change {
  return { kind: 'document', namespace: GRANTS, key: grantKey(grant.series, grant.purpose), value: grant };
}

export function removeGrant(series: string, purpose: string): Change {
  return { kind: 'document', namespace: GRANTS, key: grantKey(series, purpose), value: undefined };
}

function grantKey(series: string, purpose: string): string {
  return `${purpose}:${series}`;
}
