/**
 * What a vault holds of incarnations that it was before: blocks that wait are sent as they are, under the incarnation
 * that made them, and none is added; windows that were open are declared as lost.
 */

/** Begin of the names under which streams and consumers of an earlier incarnation stand. */
const ORPHAN = 'orphan:';
const NAME = /^orphan:([0-9a-f]{32})\/(.+)$/s;

/**
 * Namespace of consumers of earlier incarnations whose open windows are still to be declared as lost; the key is the
 * consumer's name as an orphan, the value the position from which its successor reads.
 */
export const ORPHAN_WINDOWS = 'orphan-windows';

/** Namespace of series that have another number here than in an earlier incarnation: by `incarnation/number`. */
export const ORPHAN_SERIES = 'orphan-series';

export interface Orphan {
  /** 32 hexadecimal digits. */
  incarnation: string;
  /** Name of the stream or consumer in that incarnation. */
  name: string;
}

export function orphanName({ incarnation, name }: Orphan): string {
  return `${ORPHAN}${incarnation}/${name}`;
}

/** Undefined for a stream or consumer of the incarnation that the vault is now. */
export function orphanOf(full: string): Orphan | undefined {
  const match = NAME.exec(full);
  return match === null ? undefined : { incarnation: match[1], name: match[2] };
}
