import { TideError } from '../../node/errors.ts';
import type { VaultSizes } from '../vault.ts';

const MIN_UNFOLDED = 65_536;
const MIN_JOURNAL_FILE = 32_768;
const MAX_SIZE = 2 ** 30;

/** Throws TideError `bad-option`. */
export function checkSizes({ unfolded, journalFile }: VaultSizes): void {
  checkSize('memory of unfolded readings', unfolded, MIN_UNFOLDED);
  checkSize('file of the journal', journalFile, MIN_JOURNAL_FILE);
}

function checkSize(what: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= MAX_SIZE)) return;
  throw new TideError(
    'bad-option',
    `the ${what} is ${value} bytes; allowed are whole numbers from ${least} to ${MAX_SIZE}`,
  );
}
