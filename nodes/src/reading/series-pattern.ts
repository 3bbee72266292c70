/**
 * Patterns over series paths, written like MQTT topic filters (OASIS MQTT 3.1.1, section 4.7): `+` is one level, `#`
 * at the end is any number of levels. `line1/#` covers `line1` and everything below it.
 */
export function matchSeries(pattern: string, series: string): boolean {
  if (pattern === series || pattern === '#') return true;
  const wanted = pattern.split('/');
  const levels = series.split('/');
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === '#') return true;
    if (i >= levels.length || (wanted[i] !== '+' && wanted[i] !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

/** Why `pattern` is no valid pattern, or undefined when it is one. */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length === 0) return 'is empty; write # for every series';
  if (pattern.length > 1024) return `has ${pattern.length} characters; at most 1024 are allowed`;
  const levels = pattern.split('/');
  for (const [i, level] of levels.entries()) {
    if (level === '#' && i !== levels.length - 1)
      return `has # before its end; # stands for everything below, e.g. line1/#`;
    if (level.length > 1 && /[#+]/.test(level))
      return `mixes a wildcard with text in "${level}"; a wildcard fills a whole level`;
  }
  return undefined;
}
