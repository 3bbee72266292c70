export type { Quality, Reading, ReadingBatch, Rejection, Value } from './reading.ts';
export { matchSeries, patternProblem } from './series-pattern.ts';
