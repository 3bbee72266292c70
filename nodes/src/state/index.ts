export { HybridClock, MAX_DRIFT_MS, checkDrift, compareStamps } from './hlc.ts';
export { encodeCanonical, wins, type SharedDocument } from './register.ts';
export { MAX_DOCUMENTS, MAX_VALUE_BYTES, STATE, SharedState, sharedStateOf, type Applied } from './shared-state.ts';
