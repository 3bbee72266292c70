import { patternProblem } from '../../reading/series-pattern.ts';

/** Longest pattern, and most of them in one query. */
const MAX_PATTERN = 1_024;
export const MAX_PATTERNS = 1_000;

/**
 * Patterns by which a query names series: those of MQTT topic filters (`+` one level, `#` at the end any number of
 * levels, `line1/#` covers `line1` too) and globs (`*` any characters within one level, `**` any number of levels, none
 * included). They may be mixed: `site/*-pump/+/**`. A series is meant when one of the patterns covers it.
 */
export function seriesMatcher(patterns: readonly string[]): (series: string) => boolean {
  const names = new Set<string>();
  const globs: string[][] = [];
  for (const pattern of patterns) {
    if (/[*+#]/.test(pattern)) globs.push(levelsOf(pattern));
    else names.add(pattern);
  }
  return (series) => {
    if (names.has(series)) return true;
    if (globs.length === 0) return false;
    const levels = series.split('/');
    return globs.some((glob) => covers(glob, levels, isMany, levelCovers));
  };
}

/** Why `pattern` is none, or undefined when it is one. */
export function globProblem(pattern: string): string | undefined {
  if (pattern === '') return 'is empty; write ** for every series';
  if (pattern.length > MAX_PATTERN) return `has ${pattern.length} characters; at most ${MAX_PATTERN} are allowed`;
  if (pattern.split('/').some((level) => level.includes('**') && level !== '**'))
    return 'has ** beside other characters; ** fills a whole level, as in line1/**/temperature';
  return patternProblem(pattern.replaceAll('*', 'x'));
}

function levelsOf(pattern: string): string[] {
  const levels = pattern.split('/').map((level) => (level === '+' ? '*' : level === '#' ? '**' : level));
  // One after the other say no more than one alone.
  return levels.filter((level, i) => level !== '**' || levels[i - 1] !== '**');
}

const isMany = (level: string): boolean => level === '**';
const isStar = (character: string): boolean => character === '*';

function levelCovers(pattern: string, level: string): boolean {
  if (pattern === '*') return true;
  if (!pattern.includes('*')) return pattern === level;
  return covers(pattern, level, isStar, (wanted, found) => wanted === found);
}

/**
 * Whether a sequence matches one with wildcards. On a mismatch only the last wildcard takes one more item, which is
 * enough, since an earlier one could not make the rest fit any better: at most (length x length) steps.
 */
function covers<T extends string>(
  pattern: ArrayLike<T>,
  items: ArrayLike<T>,
  isWild: (part: T) => boolean,
  equal: (part: T, item: T) => boolean,
): boolean {
  let at = 0;
  let wild = -1;
  let taken = 0;
  for (let i = 0; i < items.length;) {
    if (at < pattern.length && isWild(pattern[at])) {
      wild = at++;
      taken = i;
    } else if (at < pattern.length && equal(pattern[at], items[i])) {
      at++;
      i++;
    } else if (wild >= 0) {
      at = wild + 1;
      i = ++taken;
    } else {
      return false;
    }
  }
  while (at < pattern.length && isWild(pattern[at])) at++;
  return at === pattern.length;
}
