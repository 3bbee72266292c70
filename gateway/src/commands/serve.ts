import { reasonOf } from '@tidegate/nodes/node';

/** Milliseconds that an orderly end may take. */
const PATIENCE_MS = 30_000;
const SAME_KEY_MS = 500;

/**
 * Runs something until SIGINT or SIGTERM asks for the end, then ends the process: 0 after an orderly end. A second
 * signal ends it at once; what was acknowledged is on the disk all the same. Node-RED leaves a timer behind, so the
 * process is ended explicitly.
 */
export async function serve(start: () => Promise<void>, stop: () => Promise<void>): Promise<never> {
  const asked = new Promise<void>((resolve) => {
    let first: number | undefined;
    const signal = (): void => {
      first ??= performance.now();
      // One Ctrl-C can arrive twice: from the terminal, and from an npm in between that passes it on.
      if (performance.now() - first > SAME_KEY_MS) process.exit(130);
      resolve();
    };
    process.on('SIGINT', signal);
    process.on('SIGTERM', signal);
  });
  await start();
  await asked;
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
  process.exit(0);
}
