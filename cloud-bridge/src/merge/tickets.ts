import type { Ticket } from '@tidegate/nodes/sync';

import type { HeldTicket, TicketState } from '../store/store.ts';

/** What a HELLO shows. */
export interface Shown {
  ticket?: Ticket;
  /** Names the process that says it. */
  session: number;
}

export type Judgement =
  /** `state` when something changed. Without a ticket the gateway keeps the one that it has. */
  { fenced: false; ticket?: Ticket; state?: TicketState } | { fenced: true; state?: undefined };

/** Tickets handed out for one that was shown; a process that dies at each answer takes one each time. */
export const MAX_GIVEN = 8;

/**
 * Whether a HELLO is of the one writer of its incarnation. Each WELCOME brings a ticket, which the next HELLO shows. One that
 * was shown counts until one that was handed out after it is: an answer may be lost, and a process may die before it has
 * stored it. Then every other one up to there is old, and whoever shows it is a copy.
 *
 * A higher one that is not known here was handed out before this database was restored from a backup, and counts. A HELLO
 * that comes late or twice is of the process that showed the newest, or is answered by a NACK that nobody waits for.
 */
export function judge(held: TicketState | undefined, { ticket, session }: Shown, nonce: () => Uint8Array): Judgement {
  const { shown, given, passed }: TicketState = held ?? { given: [], passed: [] };
  const handOut = (state: TicketState): Judgement => {
    const known = [...given, ...passed, ...(state.shown === undefined ? [] : [state.shown])];
    const next: Ticket = [1 + Math.max(0, ...known.map(numberOf)), nonce()];
    const handed = [...state.given, { ticket: next, session }].slice(-MAX_GIVEN);
    return { fenced: false, ticket: next, state: { ...state, given: handed } };
  };
  if (held === undefined || same(ticket, shown?.ticket)) {
    const again = given.find((one) => one.session === session);
    if (again !== undefined) return { fenced: false, ticket: again.ticket };
    return handOut({ ...(ticket === undefined ? {} : { shown: shown ?? { ticket, session } }), given, passed });
  }
  const number = ticket?.[0] ?? 0;
  const isOld = number <= (shown?.ticket[0] ?? 0) || passed.some((one) => same(one.ticket, ticket));
  if (ticket === undefined || isOld) return shown?.session === session ? { fenced: false } : { fenced: true };
  const others = [...passed, ...given].filter((one) => numberOf(one) > number).slice(-MAX_GIVEN);
  return handOut({ shown: { ticket, session }, given: [], passed: others });
}

const numberOf = ({ ticket }: HeldTicket): number => ticket[0];

function same(a: Ticket | undefined, b: Ticket | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a[0] === b[0] && Buffer.compare(a[1], b[1]) === 0;
}
