export { AUDIT, AUDIT_LIMIT, auditChanges, readAudit, type AuditEntry } from './audit.ts';
export { MAX_GRANTS, checkGrant, grantChanges, readGrants } from './grant-store.ts';
export { DEFAULT_PURPOSE, GRANTS, Grants, covers, type Grant, type Refusal } from './grants.ts';
