import { mkdirSync, realpathSync } from 'node:fs';
import type { Clock } from '../../node/clock.ts';
import { engineError } from '../catalogue/sqlite-schema.ts';
import { EngineKeys } from '../keys/file-engine-keys.ts';
import { readKey } from '../keys/file-key.ts';
import { monthFrom } from '../keys/key-numbers.ts';
import type { VaultOptions } from '../vault.ts';
import { BudgetKeeper } from './budget-keeper.ts';
import { Ballast, freeOn, rightTime, sizesOf } from './file-room.ts';
import { JournalReader } from './journal-reader.ts';
import { Maintenance } from './maintenance.ts';
import { Commits } from './sqlite-commits.ts';
import { HeldCut } from './sqlite-cut.ts';
import { openParts } from './sqlite-open.ts';
import type { Parts } from './sqlite-parts.ts';
import { shredBefore, Shredding } from './sqlite-shredding.ts';
import { Verification } from './sqlite-verify.ts';
import { checkSizes } from './vault-sizes.ts';

/** What stands while the vault is open. */
export interface Session {
  readonly parts: Parts;
  readonly budget: BudgetKeeper;
  readonly commits: Commits;
  readonly reader: JournalReader;
  readonly cut: HeldCut;
  readonly verification: Verification;
  readonly keys: EngineKeys;
  readonly shredding: Shredding;
  readonly maintenance: Maintenance;
}

/** Opens a vault and puts those who work on its parts together. A shred that a crash interrupted goes on. */
export function openSession(options: VaultOptions, clock: Clock): Session {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const directory = realpathSync(options.directory);
  const secret = readKey(options.key, directory);
  const { budget: limits = {}, sizes = {} } = options;
  checkSizes(sizes);
  const parts = openParts({ directory, secret, clock, budget: limits, sizes });
  try {
    const budget = keeperOf(parts, clock);
    const keys = new EngineKeys({
      store: parts.keys,
      directory,
      reference: options.key,
      keepCopy: () => parts.keepKeys(),
      shredData: ({ before }) => shredBefore(parts, monthFrom(before)!),
    });
    const shredding = new Shredding(keys);
    const maintenance = new Maintenance(parts, clock, budget, (fold) => shredding.folded(fold));
    if (keys.shredding) shredding.completeWith(maintenance.requestFold());
    return {
      parts,
      budget,
      keys,
      shredding,
      maintenance,
      commits: new Commits(parts, budget),
      reader: new JournalReader(parts.log, parts.catalogue.destroyed, (finding) => parts.findings.note(finding)),
      cut: new HeldCut(parts),
      verification: new Verification(parts, clock),
    };
  } catch (error) {
    release(parts);
    throw error;
  }
}

export function closeSession({ parts, cut, maintenance, budget }: Session): void {
  try {
    cut.end();
    maintenance.stop();
    budget.close();
    if (parts.undo.stopped === undefined) settle(parts);
  } finally {
    release(parts);
  }
}

function release(parts: Parts): void {
  try {
    parts.close();
  } finally {
    parts.owner.release();
  }
}

/** Before closing. On a full disk the journal has all that the catalogue could not take. */
function settle(parts: Parts): void {
  try {
    parts.settle();
  } catch (error) {
    const found = engineError(error, parts.directory);
    if (found.code !== 'disk-full') throw found;
  }
}

function keeperOf(parts: Parts, clock: Clock): BudgetKeeper {
  const { directory, disk, budget, ledger, catalogue } = parts;
  return new BudgetKeeper({
    parts,
    clock,
    ledger,
    ...budget,
    room: {
      sizes: () => sizesOf(directory),
      free: () => freeOn(directory),
      ballast: new Ballast(disk, budget.ballastBytes),
    },
    now: () => rightTime(catalogue.documents, clock),
  });
}
