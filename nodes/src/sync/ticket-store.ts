import { z } from 'zod';
import type { Change, Vault } from '../vault/vault.ts';
import { ticket as ticketSchema, type Ticket } from './messages.ts';

const DOCUMENT = { namespace: 'ticket', key: 'cloud' } as const;

const stored = z.object({ incarnation: z.string(), ticket: ticketSchema });

/** The newest ticket that the cloud gave this incarnation; undefined before the first. */
export async function loadTicket({ documents, incarnation }: Vault): Promise<Ticket | undefined> {
  const read = stored.safeParse(await documents.get(DOCUMENT.namespace, DOCUMENT.key));
  // A ticket of an earlier incarnation says nothing of this one.
  return read.success && read.data.incarnation === incarnation ? read.data.ticket : undefined;
}

export function putTicket({ incarnation }: Vault, [number, nonce]: Ticket): Change {
  return { kind: 'document', ...DOCUMENT, value: { incarnation, ticket: [number, Uint8Array.from(nonce)] } };
}
