import { TideError } from '../../node/errors.ts';
import { applyItems, seriesEffect } from '../catalogue/sqlite-apply.ts';
import { markDamaged } from '../catalogue/sqlite-catalogue.ts';
import { engineError } from '../catalogue/sqlite-schema.ts';
import type { ItemResult, WriteGroup, WriteItem, WriteResult } from '../engine.ts';
import type { BudgetKeeper } from './budget-keeper.ts';
import type { Effect } from './effects.ts';
import { recordOf, takeIn } from './group-record.ts';
import { redoInto } from './redo.ts';
import type { Parts } from './sqlite-parts.ts';

/** Writes groups: into the catalogue's open transaction, then as one record into the journal, synced. Both or neither. */
export class Commits {
  private readonly parts: Parts;
  private readonly budget: BudgetKeeper;
  private damage: TideError | undefined;

  constructor(parts: Parts, budget: BudgetKeeper) {
    this.parts = parts;
    this.budget = budget;
  }

  /** Why nothing more is written until the next start. */
  get stopped(): TideError | undefined {
    return this.damage;
  }

  /**
   * Throws SQLite's own error with code SQLITE_BUSY, and has done nothing, while another process writes. Where the disk is
   * full, what may go is given up until the group fits, or it throws `disk-full`.
   */
  write(group: WriteGroup): WriteResult {
    const { parts, budget } = this;
    if (this.damage !== undefined) throw this.damage;
    const { refusal } = budget;
    if (refusal !== undefined && group.items.some(({ kind }) => kind === 'append'))
      return this.writeWithoutAppends(group, refusal);
    for (;;) {
      try {
        const result = this.writeOnce(group);
        budget.wrote();
        return result;
      } catch (error) {
        const found = engineError(error, parts.directory);
        if (this.stopped !== undefined || found.code !== 'disk-full' || !budget.giveWay(found.message)) throw error;
      }
    }
  }

  /** Readings wait at their doors while there is no room; acknowledgements and checkpoints are what makes some. */
  private writeWithoutAppends(group: WriteGroup, refusal: TideError): WriteResult {
    const rest = group.items.filter(({ kind }) => kind !== 'append');
    if (rest.length === 0) throw refusal;
    const { head, results } = this.write({ series: group.series, items: rest });
    const left = results.values();
    const refused: ItemResult = { kind: 'refused', code: refusal.code, reason: refusal.message };
    return {
      head,
      results: group.items.map(({ kind }) => (kind === 'append' ? refused : (left.next().value ?? refused))),
    };
  }

  private writeOnce(group: WriteGroup): WriteResult {
    const { catalogue } = this.parts;
    const inCatalogue = group.series.length > 0 || catalogue.damage.pending || group.items.some(concernsCatalogue);
    if (!inCatalogue) return this.append(group, []);
    catalogue.begin();
    catalogue.db.exec('SAVEPOINT commit_group');
    const { head } = catalogue;
    try {
      catalogue.damage.settle();
      const effects: Effect[] = group.series.map(seriesEffect);
      catalogue.apply(effects);
      const results = applyItems(catalogue, group.items, head, effects);
      const advanced = catalogue.head;
      catalogue.head = head;
      const written = this.append(group, effects);
      catalogue.advance(advanced);
      catalogue.db.exec('RELEASE commit_group');
      catalogue.damage.settled();
      return { head: catalogue.head, results: results.length > 0 ? results : written.results };
    } catch (error) {
      catalogue.head = head;
      this.undo(error);
      throw error;
    }
  }

  /** Writes the group's record, and takes its readings into the open chunks. */
  private append(group: WriteGroup, effects: readonly Effect[]): WriteResult {
    const { parts } = this;
    const { catalogue, log, readings, receipts, catchUp, written } = parts;
    const first = catalogue.head;
    const record = recordOf(group.items, effects, first);
    const { head, results, content } = record;
    if (content === undefined) return { head, results };
    const { number, bytes } = log.append({ ...content, ...parts.now() });
    written.journal += bytes;
    written.readings += content.count;
    catalogue.head = head;
    if (record.receipts !== undefined) receipts.add(number, record.receipts);
    if (catchUp.reached(number)) takeIn(readings, record.appends, first);
    return { head, results };
  }

  /** Brings the catalogue back to before the group. SQLite may have rolled the whole long transaction back by itself. */
  private undo(error: unknown): void {
    const { catalogue, log, directory } = this.parts;
    try {
      if (catalogue.db.inTransaction) catalogue.db.exec('ROLLBACK TO commit_group; RELEASE commit_group');
      else redoInto(catalogue, log);
    } catch (failure) {
      this.stop(engineError(failure, directory));
    }
    const found = engineError(error, directory);
    if (found.code === 'damaged') this.stop(found);
  }

  /** A catalogue that lost rows must not give out numbers any more: it is made again at the next start. */
  private stop(found: TideError): void {
    const { directory, findings } = this.parts;
    this.damage = new TideError(
      'damaged',
      `${found.message}; nothing more is written: start again, and it is made anew`,
      { cause: found },
    );
    findings.problems.push(this.damage.message);
    markDamaged(directory, found.message);
  }
}

const concernsCatalogue = (item: WriteItem): boolean =>
  item.kind === 'commit' || item.cause !== undefined || (item.rejections !== undefined && item.rejections.length > 0);
