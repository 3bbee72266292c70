import type { VaultStats } from './vault.ts';

/** From here on a person has to be told that the vault fills up. */
const WARN_BEFORE_FULL_MS = 7 * 86_400_000;

/** What a person should look at in a vault, in words; none when all is well. */
export function vaultWarnings({
  timeToFullMs,
  quota,
  damaged,
  clock,
}: Pick<VaultStats, 'timeToFullMs' | 'quota' | 'damaged' | 'clock'>): string[] {
  const warnings: string[] = [];
  if (timeToFullMs !== undefined && timeToFullMs < WARN_BEFORE_FULL_MS) {
    const room = quota === undefined ? '' : ` (${megabytes(quota.used)} of ${megabytes(quota.bytes)} MB taken)`;
    warnings.push(
      `the vault is full ${timeToFullMs <= 0 ? 'now' : `in ${spanText(timeToFullMs)}`} at the present rate${room}`,
    );
  }
  if (damaged > 0)
    warnings.push(
      `${damaged.toLocaleString('en-US')} ${damaged === 1 ? 'record' : 'records'} could not be opened and ${damaged === 1 ? 'was' : 'were'} set aside`,
    );
  if (clock !== undefined && !clock.trusted) {
    const undated = clock.undated === 0 ? '' : `; ${clock.undated.toLocaleString('en-US')} readings wait to be dated`;
    warnings.push(`the clock is not trusted${undated}`);
  }
  return warnings;
}

/** `40 minutes`, `5 hours`, `3 days`: whole units, rounded down. */
export function spanText(ms: number): string {
  const [count, unit] =
    ms < 7_200_000
      ? [Math.floor(ms / 60_000), 'minute']
      : ms < 172_800_000
        ? [Math.floor(ms / 3_600_000), 'hour']
        : [Math.floor(ms / 86_400_000), 'day'];
  return `${count.toLocaleString('en-US')} ${unit}${count === 1 ? '' : 's'}`;
}

const megabytes = (bytes: number): string => Math.round(bytes / 1e6).toLocaleString('en-US');
