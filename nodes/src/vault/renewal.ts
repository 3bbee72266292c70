/**
 * The wish to go on as another writer: another copy of the vault writes under the same incarnation. It is stored as any
 * document is, and taken up when the vault is opened next, where nothing runs yet that knows the old incarnation.
 */
import type { Change, Vault } from './vault.ts';

/** The value is the incarnation to be given up, so that a wish that was granted is not granted again. */
export const RENEWAL = { namespace: 'renewal', key: 'incarnation' } as const;

/** From the next opening on the vault writes under a new incarnation; what waits goes out under this one. */
export function renewal({ incarnation }: Pick<Vault, 'incarnation'>): Change {
  return { kind: 'document', ...RENEWAL, value: incarnation };
}
