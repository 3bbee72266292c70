/** Grants as documents of the vault. */
import { z } from 'zod';
import { TideError } from '../node/errors.ts';
import { patternProblem } from '../reading/series-pattern.ts';
import type { Change, Vault } from '../vault/vault.ts';
import { GRANTS, Grants, type Grant, type Refusal } from './grants.ts';

/** Most decisions that a site can have; each may be asked for each new series. */
export const MAX_GRANTS = 1_000;

const PURPOSE = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const document = z.object({
  series: z.string(),
  purpose: z.string(),
  since: z.number(),
  refused: z.boolean().optional(),
});

/** The grants that stand now. A document that cannot be read grants nothing. */
export async function readGrants(vault: Vault): Promise<Grants> {
  const list: Grant[] = [];
  const refusals: Refusal[] = [];
  for (const { value } of await vault.documents.list(GRANTS)) {
    const read = document.safeParse(value);
    if (!read.success) continue;
    const { refused, ...decision } = read.data;
    (refused === true ? refusals : list).push(decision);
  }
  return new Grants(list.toSorted(byKey), refusals.toSorted(byKey));
}

/** Changes that turn the stored grants `before` into `after`. */
export function grantChanges(before: Grants, after: Grants): Change[] {
  const stored = documentsOf(before);
  const wanted = documentsOf(after);
  const changes: Change[] = [];
  for (const key of stored.keys()) {
    if (!wanted.has(key)) changes.push({ kind: 'document', namespace: GRANTS, key, value: undefined });
  }
  for (const [key, value] of wanted) {
    const old = stored.get(key);
    if (old?.since !== value.since || old.refused !== value.refused)
      changes.push({ kind: 'document', namespace: GRANTS, key, value });
  }
  return changes;
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

function documentsOf({ list, refusals }: Grants): Map<string, z.infer<typeof document>> {
  return new Map([
    ...list.map((grant) => [keyOf(grant), { ...grant }] as const),
    ...refusals.map((refusal) => [keyOf(refusal), { ...refusal, refused: true }] as const),
  ]);
}

function keyOf({ series, purpose }: Grant): string {
  return `${purpose}:${series}`;
}

function byKey(a: Grant, b: Grant): number {
  const [left, right] = [keyOf(a), keyOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
