export type * from './api/contract.ts';
export { startCloud, type CloudOptions, type RunningCloud } from './main.ts';
