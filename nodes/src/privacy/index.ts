export { AUDIT, AUDIT_LIMIT, readAudit, type AuditEntry } from './audit.ts';
export { MAX_GRANTS, checkGrant, readGrants } from './grant-store.ts';
export { DEFAULT_PURPOSE, GRANTS, Grants, type Grant } from './grants.ts';
