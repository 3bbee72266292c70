import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `condition` holds; names what did not come true. */
export async function eventually(
  what: string,
  condition: () => Promise<boolean> | boolean,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      if (await condition()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: last });
    await sleep(100);
  }
}
