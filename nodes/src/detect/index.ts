export type { Alert, Severity } from './alert.ts';
