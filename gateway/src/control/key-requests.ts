import { TideError } from '@tidegate/nodes/node';
import type { VaultKeys } from '@tidegate/nodes/vault';
import { z } from 'zod';

import { keyReference } from '../config/schema.ts';

const rotationBody = z.strictObject({ to: keyReference });
const shredBody = z.strictObject({ before: z.string().max(16) });

/** Answers what is asked of the vault's keys. A reference travels, never a secret. */
export async function answerKeys(keys: VaultKeys, request: string, body: unknown): Promise<object> {
  switch (request) {
    case 'GET /key':
      return keys.status();
    case 'POST /key/rotation':
      return { state: await keys.prepareRotation(rotationIn(body)) };
    case 'PUT /key/rotation':
      await keys.confirmRotation(rotationIn(body));
      return { state: 'done' };
    case 'DELETE /key/rotation':
      await keys.cancelRotation();
      return { state: 'cancelled' };
    case 'POST /key/shred':
      return keys.shred(monthIn(body));
    default:
      throw new TideError('unknown-request', `the control socket does not know ${request}`);
  }
}

function rotationIn(body: unknown): z.infer<typeof keyReference> {
  const parsed = rotationBody.safeParse(body);
  if (!parsed.success)
    throw new TideError('bad-request', 'a rotation is {"to": {"file": PATH} or {"env": NAME} or {"credential": NAME}}');
  return parsed.data.to;
}

function monthIn(body: unknown): string {
  const parsed = shredBody.safeParse(body);
  if (!parsed.success) throw new TideError('bad-request', 'a shred is {"before": "2026-03"}');
  return parsed.data.before;
}
