import { TideError } from '../../node/errors.ts';
import { markDamaged } from '../catalogue/file-damage-mark.ts';
import type { Catalogue } from '../catalogue/sqlite-catalogue.ts';
import { engineError } from '../catalogue/sqlite-schema.ts';
import type { JournalLog } from '../journal/journal-log.ts';
import type { FindingLog } from './finding-log.ts';
import { redoInto } from './redo.ts';

/**
 * Brings the catalogue back after a failure. SQLite may have given up the whole open transaction by itself: the journal
 * has all of it. Where not even that can be read, nothing more is written, since what followed would stand on lost rows.
 */
export class Undo {
  private readonly directory: string;
  private readonly catalogue: Catalogue;
  private readonly log: JournalLog;
  private readonly findings: FindingLog;
  private damage: TideError | undefined;

  constructor(directory: string, catalogue: Catalogue, log: JournalLog, findings: FindingLog) {
    this.directory = directory;
    this.catalogue = catalogue;
    this.log = log;
    this.findings = findings;
  }

  /** Why nothing more is written until the next start. */
  get stopped(): TideError | undefined {
    return this.damage;
  }

  /** Takes back what was done in the open transaction since a savepoint. */
  backTo(savepoint: string): void {
    try {
      if (this.catalogue.db.inTransaction) this.catalogue.db.exec(`ROLLBACK TO ${savepoint}; RELEASE ${savepoint}`);
      else redoInto(this.catalogue, this.log);
    } catch (failure) {
      this.stop(engineError(failure, this.directory));
    }
  }

  /** After something failed outside of a commit. Throws `busy` while another process keeps the catalogue from being written. */
  restore(): void {
    if (this.catalogue.db.inTransaction) return;
    try {
      redoInto(this.catalogue, this.log);
    } catch (failure) {
      const found = engineError(failure, this.directory);
      if (found.code === 'busy') throw found;
      this.stop(found);
    }
  }

  /** A catalogue that lost rows must not give out numbers any more: it is made again at the next start. */
  stop(found: TideError): void {
    if (this.damage !== undefined) return;
    this.damage = new TideError(
      'damaged',
      `${found.message}; nothing more is written: start again, and it is made anew`,
      { cause: found },
    );
    this.findings.problems.push(this.damage.message);
    markDamaged(this.directory, found.message);
  }
}
