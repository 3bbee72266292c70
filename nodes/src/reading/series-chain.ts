/** Series that follow one another; a longer chain is somebody's mistake. */
export const MAX_CHAIN = 32;

/** The names under which a series was known before, newest first, where `before` has the one before a name. Ends where it would go in a circle. */
export function earlierNames(series: string, before: (name: string) => string | undefined): string[] {
  const names: string[] = [];
  let at = before(series);
  while (at !== undefined && at !== series && !names.includes(at) && names.length < MAX_CHAIN) {
    names.push(at);
    at = before(at);
  }
  return names;
}
