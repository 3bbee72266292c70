import { TideError } from '../../node/errors.ts';

const MIB = 1 << 20;

/** How much room a vault may take, and for how long it keeps readings. */
export interface BudgetOptions {
  /** Bytes of all files, the ballast included; `MIN_QUOTA` and more. Absent: `defaultQuota` at the first start, kept from then on. */
  quotaBytes?: number;
  /** Days that raw readings are kept once every consumer has seen them. Absent: as long as there is room. */
  retentionDays?: number;
  /** Bytes held back for the moment when the disk is full; 0 for none. Absent: `defaultBallast`. */
  ballastBytes?: number;
}

export const MIN_QUOTA = 64 * MIB;
const MAX_QUOTA = 2 ** 50;
const MAX_RETENTION_DAYS = 36_500;
const MAX_BALLAST = 1 << 30;

/** Document that holds the quota which was found at the first start. */
export const QUOTA_FOUND = { namespace: 'budget', key: 'quota' } as const;

/** Four fifths of what was free or the vault's own at the first start: the rest is for the system and for folds. */
export function defaultQuota(freeBytes: number, usedBytes: number): number {
  return Math.max(MIN_QUOTA, Math.floor(0.8 * (freeBytes + usedBytes)));
}

/** A hundredth of the quota, between 4 and 64 MiB. */
export function defaultBallast(quotaBytes: number): number {
  return Math.min(64 * MIB, Math.max(4 * MIB, Math.floor(quotaBytes / 100)));
}

/** Throws TideError `bad-option` that names what was found and what is allowed. */
export function checkBudget({ quotaBytes, retentionDays, ballastBytes }: BudgetOptions): void {
  check('the quota', quotaBytes, MIN_QUOTA, MAX_QUOTA, 'bytes');
  check('the retention', retentionDays, 1, MAX_RETENTION_DAYS, 'days');
  check('the ballast', ballastBytes, 0, MAX_BALLAST, 'bytes');
  if (quotaBytes !== undefined && ballastBytes !== undefined && ballastBytes > quotaBytes / 4)
    throw new TideError(
      'bad-option',
      `the ballast is ${ballastBytes} bytes; at most a quarter of the quota is allowed`,
    );
}

function check(what: string, value: number | undefined, least: number, most: number, unit: string): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= most)) return;
  throw new TideError('bad-option', `${what} is ${value}; allowed are whole numbers from ${least} to ${most} ${unit}`);
}
