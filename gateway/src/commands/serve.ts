import { setTimeout as sleep } from 'node:timers/promises';

import { reasonOf, systemClock } from '@tidegate/nodes/node';

import { pauseBeforeAnew, startAnew } from './anew.ts';

/** Milliseconds that an orderly end may take. */
const PATIENCE_MS = 30_000;
const SAME_KEY_MS = 500;

/**
 * Runs something until SIGINT or SIGTERM asks for the end, then ends the process: 0 after an orderly end. A second
 * signal ends it at once; what was acknowledged is on the disk all the same. Node-RED leaves a timer behind, so the
 * process is ended explicitly. When `anew` resolves, with the reason, it is ended and run again instead.
 */
export async function serve(
  start: () => Promise<void>,
  stop: () => Promise<void>,
  anew: Promise<string> = new Promise(() => undefined),
): Promise<never> {
  let first: number | undefined;
  const asked = new Promise<false>((resolve) => {
    const signal = (): void => {
      first ??= performance.now();
      // One Ctrl-C can arrive twice: from the terminal, and from an npm in between that passes it on.
      if (performance.now() - first > SAME_KEY_MS) process.exit(130);
      resolve(false);
    };
    process.on('SIGINT', signal);
    process.on('SIGTERM', signal);
  });
  await start();
  const again = await Promise.race([asked, anew.then(announced)]);
  setTimeout(() => {
    console.error(`tidegate: did not end within ${PATIENCE_MS / 1000} s; ending now`);
    process.exit(1);
  }, PATIENCE_MS).unref();
  try {
    await stop();
  } catch (error) {
    console.error(`tidegate: while ending: ${reasonOf(error)}`);
    process.exit(1);
  }
  // Who asks for the end meanwhile wants no other beginning.
  if (again && first === undefined) startAnew(systemClock.now());
  process.exit(0);
}

/** Meanwhile it goes on. */
async function announced(reason: string): Promise<true> {
  console.error(`tidegate: ${reason}`);
  await sleep(pauseBeforeAnew(process.env, systemClock.now()));
  return true;
}
