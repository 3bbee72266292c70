export { WindowAccumulator } from './accumulator.ts';
export { answerPages } from './answer.ts';
export {
  blockWithout,
  decodeBlock,
  decodeBlockEncoded,
  encodeBlock,
  type EncodedPart,
  MAX_BLOCK_BYTES,
  MAX_BLOCK_PARTS,
} from './block.ts';
export {
  addDecimals,
  compareDecimals,
  decimalOf,
  decimalToNumber,
  decimalToString,
  parseDecimal,
  type Decimal,
} from './decimal.ts';
export { addReading, emptySummary, foldSummaries, meanOf } from './fold.ts';
export { mergeSketch, quantile, RELATIVE_ERROR, type Sketch } from './sketch.ts';
export { MAX_RESOLUTION, parseResolutions, purposeOf, resolutionOf, resolutionText, streamOf } from './stream.ts';
export { decodeSummary, encodeSummary, MAX_SUMMARY_BYTES, readCounts } from './summary-codec.ts';
export { MAX_STATES, type State, type States, statesOf } from './states.ts';
export { type SummaryRow, summaryPages } from './summary-pages.ts';
export { MAX_TEXT, type Part, type Resolution, type Summary, type TimedValue } from './summary.ts';
export { statesView } from './view.ts';
