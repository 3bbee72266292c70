/** What was decided about the site's data, by whom it was asked, and when: the answer to an auditor. */
import { z } from 'zod';
import type { Change, Vault } from '../vault/vault.ts';

/** Namespace of the audit log among the vault's documents; keys are numbers with leading zeros, so they sort by age. */
export const AUDIT = 'audit';
/** Newest entries that are kept. */
export const AUDIT_LIMIT = 1_000;

const entrySchema = z.object({
  /** Epoch milliseconds. */
  time: z.number(),
  action: z.enum(['grant', 'revoke', 'shred']),
  series: z.string(),
  purpose: z.string(),
  /** What it led to, in words. */
  outcome: z.string(),
});
export type AuditEntry = z.infer<typeof entrySchema>;

/** Oldest first. */
export async function readAudit(vault: Vault): Promise<AuditEntry[]> {
  const documents = await vault.documents.list(AUDIT);
  return documents
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .flatMap(({ value }) => {
      const entry = entrySchema.safeParse(value);
      return entry.success ? [entry.data] : [];
    });
}

/**
 * Changes that write an entry and remove the ones beyond the limit; to be committed with what the entry speaks of.
 * `ahead` counts the entries that the same commit writes before this one.
 */
export async function auditChanges(vault: Vault, entry: AuditEntry, ahead = 0): Promise<Change[]> {
  const keys = (await vault.documents.list(AUDIT)).map(({ key }) => key).toSorted();
  const next = Number(keys.at(-1) ?? 0) + 1 + ahead;
  const surplus = keys.slice(0, Math.max(0, keys.length + 1 + ahead - AUDIT_LIMIT));
  return [
    { kind: 'document', namespace: AUDIT, key: String(next).padStart(12, '0'), value: entry },
    ...surplus.map((key): Change => ({ kind: 'document', namespace: AUDIT, key, value: undefined })),
  ];
}
