/**
 * Topic filters (OASIS MQTT 3.1.1, section 4.7): `+` is one level, also an empty one; `#` at the end is the level above
 * and everything below it; a filter that begins with a wildcard does not match topics that begin with `$`.
 */
export function matchTopic(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && (filter.startsWith('+') || filter.startsWith('#'))) return false;
  if (filter === topic) return true;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === '#') return true;
    if (i >= levels.length || (wanted[i] !== '+' && wanted[i] !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

/** Why a filter is none, or undefined when it is one. */
export function filterProblem(filter: unknown): string | undefined {
  if (typeof filter !== 'string' || filter === '') return 'is empty; write for example sensors/#';
  if (Buffer.byteLength(filter) > 65_535) return 'is longer than the 65535 bytes that MQTT allows';
  if (filter.includes('\0')) return 'holds a null character';
  const levels = filter.split('/');
  for (const [i, level] of levels.entries()) {
    if (level === '#' && i !== levels.length - 1)
      return `"${filter}" has # before its end; # stands for everything below`;
    if (level.length > 1 && /[#+]/.test(level))
      return `"${filter}" mixes a wildcard with text in "${level}"; a wildcard fills a whole level`;
  }
  return undefined;
}
