import type { TideError } from '../../node/errors.ts';
import { applyItems, seriesEffect } from '../catalogue/sqlite-apply.ts';
import { engineError } from '../catalogue/sqlite-schema.ts';
import type { ItemResult, WriteGroup, WriteItem, WriteResult } from '../engine.ts';
import type { BudgetKeeper } from './budget-keeper.ts';
import type { Effect } from './effects.ts';
import { recordOf, takeIn } from './group-record.ts';
import type { Parts } from './sqlite-parts.ts';

/** Writes groups: into the catalogue's open transaction, then as one record into the journal, synced. Both or neither. */
export class Commits {
  private readonly parts: Parts;
  private readonly budget: BudgetKeeper;

  constructor(parts: Parts, budget: BudgetKeeper) {
    this.parts = parts;
    this.budget = budget;
  }

  /**
   * Throws SQLite's own error with code SQLITE_BUSY, and has done nothing, while another process writes. Where the disk is
   * full, what may go is given up until the group fits, or it throws `disk-full`.
   */
  write(group: WriteGroup): WriteResult {
    const { parts, budget } = this;
    if (parts.undo.stopped !== undefined) throw parts.undo.stopped;
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
        if (parts.undo.stopped !== undefined || found.code !== 'disk-full' || !budget.giveWay(found.message))
          throw error;
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
    const { catalogue, undo, directory } = this.parts;
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
      undo.backTo('commit_group');
      const found = engineError(error, directory);
      if (found.code === 'damaged') undo.stop(found);
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
}

const concernsCatalogue = (item: WriteItem): boolean =>
  item.kind === 'commit' || item.cause !== undefined || (item.rejections !== undefined && item.rejections.length > 0);
