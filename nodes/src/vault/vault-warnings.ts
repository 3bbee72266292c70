import type { NodeStatus } from '../node/node-red.ts';
import type { VaultStats } from './vault.ts';

/** Something in a vault that a person should look at. */
export interface VaultWarning {
  /** The same while it is the same trouble; another when that gets worse. */
  key: string;
  text: string;
}

type Watched = Pick<VaultStats, 'timeToFullMs' | 'quota' | 'damaged' | 'clock'>;

/** From here on a person has to be told that the vault fills up, and told again. */
const WARN_BEFORE_FULL_MS = 7 * 86_400_000;
const WARN_AGAIN_MS = 86_400_000;

/** The worst first; none when all is well. */
export function vaultWarnings({ timeToFullMs, quota, damaged, clock }: Watched): VaultWarning[] {
  const warnings: VaultWarning[] = [];
  if (timeToFullMs !== undefined && timeToFullMs < WARN_BEFORE_FULL_MS) {
    const room = quota === undefined ? '' : ` (${megabytes(quota.used)} of ${megabytes(quota.bytes)} MB taken)`;
    const when = timeToFullMs <= 0 ? 'now' : `in ${spanText(timeToFullMs)}`;
    const key = timeToFullMs <= 0 ? 'full' : timeToFullMs < WARN_AGAIN_MS ? 'full soon' : 'fills';
    warnings.push({ key, text: `the vault is full ${when} at the present rate${room}` });
  }
  if (clock !== undefined && !clock.trusted) {
    const undated = clock.undated === 0 ? '' : `; ${grouped(clock.undated)} readings wait to be dated`;
    warnings.push({ key: 'clock', text: `the clock is not trusted${undated}` });
  }
  if (damaged > 0) {
    const records = damaged === 1 ? '1 record' : `${grouped(damaged)} records`;
    const text = `${records} could not be opened and ${damaged === 1 ? 'was' : 'were'} set aside`;
    warnings.push({ key: `damaged ${damaged}`, text });
  }
  return warnings;
}

/** Tells each trouble once, and again when it has gone and come back or has got worse. */
export class VaultWatch {
  private told = new Set<string>();

  /** What is new since the last look, and what to show of all there is. */
  look(stats: Watched): { fresh: string[]; status: NodeStatus } {
    const warnings = vaultWarnings(stats);
    const fresh = warnings.filter(({ key }) => !this.told.has(key)).map(({ text }) => text);
    this.told = new Set(warnings.map(({ key }) => key));
    const [worst] = warnings;
    const status: NodeStatus =
      worst === undefined
        ? { fill: 'green', shape: 'dot', text: 'open' }
        : { fill: 'yellow', shape: 'ring', text: worst.text };
    return { fresh, status };
  }
}

/** `40 minutes`, `5 hours`, `3 days`: whole units, rounded down. */
export function spanText(ms: number): string {
  const [count, unit] =
    ms < 7_200_000
      ? [Math.floor(ms / 60_000), 'minute']
      : ms < 172_800_000
        ? [Math.floor(ms / 3_600_000), 'hour']
        : [Math.floor(ms / 86_400_000), 'day'];
  return `${grouped(count)} ${unit}${count === 1 ? '' : 's'}`;
}

const grouped = (count: number): string => count.toLocaleString('en-US');
const megabytes = (bytes: number): string => grouped(Math.round(bytes / 1e6));
