import { randomBytes } from 'node:crypto';
import { QUOTA_FOUND } from '../budget/budget-options.ts';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { RENEWAL } from '../renewal.ts';
import { checkPlace } from '../keys/file-place.ts';
import type { Parts } from './sqlite-parts.ts';

/** How a vault was found at its start. */
export interface Beginning {
  isNew: boolean;
  /** Numbers may be given out again that were given out before. */
  lossy: boolean;
}

/** A store that is new, lost numbers it gave out, or is a copy of another one writes as a writer of its own. */
export function settleIncarnation(parts: Parts, { isNew, lossy }: Beginning): void {
  const { directory, keys, store, findings } = parts;
  const place = checkPlace(directory, keys.ring, store.sealer);
  const copied = place.verdict === 'copied' || (place.verdict === 'first' && !isNew);
  const asked = renewalAsked(parts);
  if (parts.incarnation.length === 0 || lossy || copied || asked) {
    beginIncarnation(parts);
    if (lossy)
      findings.problems.push('numbers that were given out may be lost: the vault goes on under a new incarnation');
    else if (copied)
      findings.problems.push(
        `the vault is a copy (${place.reasons.join('; ')}): it goes on under a new incarnation, and blocks that waited go out under the old one`,
      );
    else if (asked)
      findings.problems.push(
        'another copy of the vault wrote to the cloud: this one goes on under a new incarnation, and blocks that waited go out under the old one',
      );
  }
  if (place.verdict !== 'same') place.keep();
}

/** The cloud has said that somebody else writes under this incarnation (`renewal.ts`). */
function renewalAsked({ catalogue, incarnation }: Parts): boolean {
  const value = catalogue.documents.get(RENEWAL.namespace, RENEWAL.key);
  return value !== undefined && decodeCbor(value) === incarnation.toString('hex');
}

/** The quota that was found goes with it, so that a store keeps the one of its first start. */
function beginIncarnation(parts: Parts): void {
  const { quotaBytes, found } = parts.budget;
  parts.incarnation = randomBytes(16);
  parts.commit([
    { kind: 'incarnation', incarnation: parts.incarnation, head: parts.catalogue.head },
    { kind: 'document', ...RENEWAL, value: undefined },
    ...(found ? [{ kind: 'document', ...QUOTA_FOUND, value: encodeCbor(quotaBytes) } as const] : []),
  ]);
}
