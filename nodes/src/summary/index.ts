export type { Part, Resolution, Summary, TimedValue } from './summary.ts';
