import type { GapView } from '../api/contract.ts';
import * as format from './format.ts';

const CAUSES: Record<GapView['cause'], string> = {
  quota: 'Given up because the room on the device ran out',
  retention: 'Given up because of their age, as the gateway is set up to',
  damaged: 'Damaged on the device',
  shredded: 'Destroyed together with their key',
  restored: 'Missing after the gateway was restored from a copy',
  overrun: 'Given up before a flow had stored what it makes of them',
};

/** How many of what, e.g. `1,200 readings`; `some readings` where the gateway may not say how many. */
export function lostWhat({ what, count, blocks, blocksHere }: GapView): string {
  const [one, many] = { readings: ['reading', 'readings'], blocks: ['block', 'blocks'], alerts: ['alert', 'alerts'] }[
    what
  ];
  // Blocks that had arrived before the gateway dropped its own copy are not lost.
  const named = blocks.reduce((sum, [from, to]) => sum + to - from + 1, 0);
  if (what === 'blocks' && named > 0) return format.plural(Math.max(0, named - blocksHere), one, many);
  return count === null ? `some ${many}` : format.plural(count, one, many);
}

export const lostWhy = ({ cause }: GapView): string => CAUSES[cause];

/** What is left of the span: its coarsest summaries, or nothing. */
export function coveredBy({ cause, what, coarsest }: GapView): string {
  if (what === 'alerts') return coarsest === null ? 'no trace of them is left' : 'their number is kept';
  // A shred ends what lies on the device; what had been sent is not its.
  if (coarsest === null && cause === 'shredded') return 'what had been sent before stays here';
  if (coarsest === null && cause === 'overrun') return 'summaries may hold them all the same, whole or in part';
  if (coarsest === null) return 'nothing covers this span';
  const length = format.duration(coarsest * 1000);
  return what === 'readings' ? `summaries of ${length} cover it` : `summaries of ${length} still cover it`;
}

/** Whether something is gone for good that nothing else covers. */
export const isGone = (gap: GapView): boolean => gap.coarsest === null && !lostWhat(gap).startsWith('0 ');

/** Which series, in few words. */
export function ofWhich({ series }: GapView): string {
  if (series === null) return '';
  if (series === 'all') return 'of all series';
  if (series.length <= 3) return `of ${series.join(', ')}`;
  return `of ${series.slice(0, 2).join(', ')} and ${format.count(series.length - 2)} more`;
}
