import { destroyedBelow, type Destroyed } from '../destroyed.ts';
import type { Finding } from '../disk.ts';
import type { JournalPart } from '../engine.ts';
import type { JournalLog } from '../journal/journal-log.ts';
import { damagedBoxes, readRecord, type ReadRecord } from './redo.ts';

/** Records that one call looks at; a reader of one source is told where to go on rather than kept waiting. */
const MAX_RECORDS = 256;
const MAX_LIMIT = 65_536;

/** Readings in the order in which they came, for consumers that read again what they have not saved. */
export class JournalReader {
  private readonly log: JournalLog;
  private readonly destroyed: { list(): readonly Destroyed[] };
  private readonly onDamage: (finding: Finding) => void;
  /** The record opened last: a reader with a small limit comes back for the rest of it. */
  private opened: ReadRecord | undefined;

  constructor(log: JournalLog, destroyed: { list(): readonly Destroyed[] }, onDamage: (finding: Finding) => void) {
    this.log = log;
    this.destroyed = destroyed;
    this.onDamage = onDamage;
  }

  /**
   * Readings at or after `from`, at most `limit`, only of `source` when given. What the journal let go of is passed over.
   * What was destroyed is among them, and each part says what of it that is.
   */
  read(from: number, limit: number, source: string | undefined, head: number): JournalPart {
    const part: JournalPart = { chunks: [], next: undefined };
    const most = Math.min(Math.max(1, limit), MAX_LIMIT);
    let position = Math.max(1, from);
    let taken = 0;
    let number = this.log.find(position);
    const shreds = this.destroyed.list();
    for (let records = 0; number !== undefined && records < MAX_RECORDS && taken < most; records++) {
      const record = this.open(number);
      const below = destroyedBelow(shreds, number);
      for (const { position: at, entry } of record?.readings ?? []) {
        const skip = Math.max(0, position - at);
        if (skip >= entry.count || taken >= most) continue;
        const take = Math.min(entry.count - skip, most - taken);
        const wanted = source === undefined || source === entry.source;
        if (wanted) {
          const hides = below !== undefined && entry.timeFrom < below;
          part.chunks.push({
            position: at,
            source: entry.source,
            skip,
            take,
            bytes: entry.bytes,
            ...(hides && { destroyedBelow: below }),
          });
          taken += take;
        }
        position = at + skip + (wanted ? take : entry.count - skip);
      }
      if (taken >= most) break;
      if (record !== undefined) position = Math.max(position, record.first + record.count);
      number = number < this.log.last ? number + 1 : undefined;
    }
    if (number !== undefined && position < head) part.next = position;
    return part;
  }

  private open(number: number): ReadRecord | undefined {
    if (this.opened?.number === number) return this.opened;
    const record = readRecord(this.log, number);
    if (record !== undefined && record.damaged > 0) this.onDamage(damagedBoxes(record));
    // The newest one may still be superseded after a failed write.
    if (record !== undefined && number < this.log.last) this.opened = record;
    return record;
  }
}
