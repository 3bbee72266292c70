/** Calls `done` after `count` calls, with the first error among them. */
export function afterAll(count: number, done: (error?: Error) => void): (error?: Error) => void {
  let left = count;
  let failure: Error | undefined;
  return (error) => {
    failure ??= error;
    if (--left === 0) done(failure);
  };
}
