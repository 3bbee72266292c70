/** When the process before this one replaced itself, epoch milliseconds. */
const REPLACED_AT = 'TIDEGATE_REPLACED_AT';
/** Between two replacements: whatever asks for them again and again is not to keep the gateway from its work. */
const PAUSE_MS = 60_000;
/** EX_TEMPFAIL of sysexits.h: try again. A service manager does, with `Restart=on-failure`. */
const EXIT_TRY_AGAIN = 75;

/** Milliseconds until this process may be replaced. */
export function pauseBeforeAnew(env: NodeJS.ProcessEnv, now: number): number {
  const at = Number(env[REPLACED_AT] ?? -Infinity);
  // A clock that was set back must not stretch it.
  return Number.isFinite(at) ? Math.min(PAUSE_MS, Math.max(0, at + PAUSE_MS - now)) : 0;
}

/**
 * Runs the same command anew, as the same process. Node 22.14 and Windows cannot replace a process: there it ends with 75.
 * Nothing may be open any more.
 */
export function startAnew(now: number): never {
  if (typeof process.execve === 'function' && process.platform !== 'win32')
    process.execve(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
      ...process.env,
      [REPLACED_AT]: String(now),
    });
  process.exit(EXIT_TRY_AGAIN);
}
