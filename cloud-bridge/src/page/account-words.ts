import type { AccountAnswer, SeriesAccountView } from '../api/contract.ts';
import * as format from './format.ts';

type Cause = keyof SeriesAccountView['dropped'];

const CAUSES: readonly (readonly [cause: Cause, words: string])[] = [
  ['quota', 'given up because the room on the device ran out'],
  ['retention', 'given up because of their age'],
  ['shredded', 'destroyed together with their key'],
  ['revoked', 'taken out when their grant was withdrawn'],
  ['damaged', 'damaged on the device'],
  ['poison', 'in blocks that this cloud could not read'],
  ['conflict', 'in blocks under whose numbers this cloud holds others'],
];

/** Why readings were dropped, e.g. `60 given up because of their age`; empty when none were. */
export function droppedWords({ dropped }: SeriesAccountView): string {
  const parts = CAUSES.flatMap(([cause, words]) => {
    const readings = dropped[cause] ?? 0;
    return readings > 0 ? [`${format.count(readings)} ${words}`] : [];
  });
  return parts.join('; ');
}

/** What is wrong with a row; empty when nothing is. */
export function wrongWords({ delivered, held, agrees, addsUp, resolution }: SeriesAccountView): string {
  const wrong: string[] = [];
  if (!agrees)
    wrong.push(
      `the gateway delivered ${format.count(delivered)} in windows of ${format.duration(resolution * 1000)}, this cloud holds ${format.count(held)}`,
    );
  if (!addsUp) wrong.push('the gateway’s own figures do not add up');
  return wrong.join('; ');
}

/** The verdict in a sentence. */
export function verdictWords({ checkedAt, differing, series, unsaid }: AccountAnswer): string {
  if (checkedAt === null) return 'Nothing was compared yet: the gateway does it when all it had to send has arrived.';
  const wrong = series.filter(({ addsUp }) => !addsUp).length;
  const silent =
    unsaid === 0 ? '' : ` Of ${format.plural(unsaid, 'series', 'series')} without a grant nothing is said any more.`;
  if (differing > 0)
    return `This cloud holds something else than the gateway delivered, of ${format.plural(differing, 'series', 'series')}.${silent}`;
  if (wrong > 0)
    return `What the gateway says does not add up, for ${format.plural(wrong, 'series', 'series')}.${silent}`;
  return `Every reading is accounted for, and this cloud holds what the gateway delivered.${silent}`;
}
