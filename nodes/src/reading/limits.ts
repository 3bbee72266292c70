/** Bounds of what a message may hold. Whoever can publish can send anything, so every one of them is checked. */

/** Largest payload that is read, bytes. */
export const MAX_PAYLOAD_BYTES = 256 * 1024;
/** Levels of nesting within a payload. */
export const MAX_DEPTH = 8;
/** Values in one message. */
export const MAX_METRICS = 1_000;
/** Characters of a series path. */
export const MAX_SERIES_LENGTH = 512;
/** Bytes of a value that is a string. */
export const MAX_STRING_BYTES = 1_024;
/** Characters of a unit. */
export const MAX_UNIT_LENGTH = 64;
/** Problems reported for one message; more are counted in the last one's reason. */
export const MAX_PROBLEMS = 16;
