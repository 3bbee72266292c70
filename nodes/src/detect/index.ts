export type { Alert, Severity } from './alert.ts';
export { decodeAlert, encodeAlert, MAX_ALERT_BYTES } from './alert-codec.ts';
export type { Detector, Verdict } from './detector.ts';
export { DetectionPlan, parseRules, rule, type Rule } from './rules.ts';
export { SENSITIVITIES, type Sensitivity } from './sensitivity.ts';
export { detectStream, type DetectedValue, type RecordedValue, type StreamOptions } from './stream-detect.ts';
