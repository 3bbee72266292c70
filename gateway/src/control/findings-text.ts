import type { Finding } from '@tidegate/nodes/vault';

/** An unfinished write at the end was never acknowledged: nothing is lost by it. */
export const isDamage = ({ kind }: Finding): boolean => kind !== 'torn';

/** A finding for a person: what is wrong, where, what it means and what it affects. */
export function findingText({ place, kind, text, positions, times }: Finding): string {
  const affected: string[] = [];
  if (positions !== undefined) affected.push(`positions ${range(positions, String)}`);
  if (times !== undefined) affected.push(`times ${range(times, dateText)}`);
  return `${kind.padEnd(11)} ${place}: ${text}${affected.length === 0 ? '' : ` (${affected.join(', ')})`}`;
}

/** What a check came to. */
export function verdictText(damage: number, torn: number): string {
  const ends = torn === 0 ? '' : `; ${count(torn, 'unfinished write')} at the end, by which nothing is lost`;
  if (damage === 0) return `Everything in the vault is as it was written${ends}.`;
  return `${count(damage, 'finding')}: what is named above is not as it was written, everything else is${ends}.`;
}

/** From inclusive, to exclusive. */
const range = ([from, to]: readonly [number, number], show: (value: number) => string): string =>
  `${show(from)} to before ${show(to)}`;

const dateText = (time: number): string => (Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : String(time));
const count = (number: number, what: string): string =>
  `${number.toLocaleString('en-US')} ${what}${number === 1 ? '' : 's'}`;
