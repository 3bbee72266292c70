import type { Database } from 'better-sqlite3';

import type { HeldTicket, TicketState } from './store.ts';

interface Row {
  number: number;
  nonce: Uint8Array;
  session: number;
  fate: 'shown' | 'given' | 'passed';
}

/** The tickets of each incarnation, in SQLite. */
export class SqliteTickets {
  private readonly db: Database;

  constructor(db: Database) {
    this.db = db;
  }

  exchange<T extends { state?: TicketState | undefined }>(
    incarnationId: number,
    decide: (held: TicketState | undefined) => T,
  ): T {
    return this.db
      .transaction((): T => {
        const decision = decide(this.held(incarnationId));
        if (decision.state !== undefined) this.put(incarnationId, decision.state);
        return decision;
      })
      .immediate();
  }

  private held(incarnationId: number): TicketState | undefined {
    const rows = this.db
      .prepare<[number], Row>('SELECT * FROM tickets WHERE incarnation_id = ? ORDER BY number')
      .all(incarnationId);
    if (rows.length === 0) return undefined;
    const of = (fate: Row['fate']): HeldTicket[] => rows.filter((row) => row.fate === fate).map(ticketOf);
    const [shown] = of('shown');
    return { ...(shown === undefined ? {} : { shown }), given: of('given'), passed: of('passed') };
  }

  private put(incarnationId: number, { shown, given, passed }: TicketState): void {
    this.db.prepare('DELETE FROM tickets WHERE incarnation_id = ?').run(incarnationId);
    const insert = this.db.prepare('INSERT INTO tickets VALUES (?, ?, ?, ?, ?)');
    const all: [Row['fate'], readonly HeldTicket[]][] = [
      ['shown', shown === undefined ? [] : [shown]],
      ['given', given],
      ['passed', passed],
    ];
    for (const [fate, tickets] of all)
      for (const { ticket, session } of tickets) insert.run(incarnationId, ticket[0], ticket[1], session, fate);
  }
}

const ticketOf = ({ number, nonce, session }: Row): HeldTicket => ({ ticket: [number, nonce], session });
