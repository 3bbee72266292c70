export { DEFAULT_PURPOSE, GRANTS, Grants, type Grant } from './grants.ts';
