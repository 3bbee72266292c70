import { TideError } from '@tidegate/nodes/node';
import { z } from 'zod';

import type { GatewayStatus, GrantView } from './status.ts';

/** What the control socket reaches: the running gateway, or one whose vault was opened for a single command. */
export interface Controlled {
  status(): Promise<GatewayStatus>;
  grants(): Promise<GrantView[]>;
  grant(series: string, purpose?: string): Promise<void>;
  revoke(series: string, purpose?: string): Promise<{ rewritten: number }>;
}

export interface Answer {
  status: number;
  body: unknown;
}

const grantBody = z.strictObject({ series: z.string().max(1024), purpose: z.string().max(64).optional() });

/** Answers a request of the control socket. Errors become `{error: {code, message}}`. */
export async function answerControl(gateway: Controlled, method: string, path: string, body: unknown): Promise<Answer> {
  try {
    return { status: 200, body: await act(gateway, `${method} ${path}`, body) };
  } catch (error) {
    if (error instanceof TideError)
      return { status: 400, body: { error: { code: error.code, message: error.message } } };
    throw error;
  }
}

async function act(gateway: Controlled, request: string, body: unknown): Promise<unknown> {
  switch (request) {
    case 'GET /status':
      return gateway.status();
    case 'GET /grants':
      return { grants: await gateway.grants() };
    case 'PUT /grants': {
      const { series, purpose } = grantIn(body);
      await gateway.grant(series, purpose);
      return { grants: await gateway.grants() };
    }
    case 'DELETE /grants': {
      const { series, purpose } = grantIn(body);
      const { rewritten } = await gateway.revoke(series, purpose);
      return { rewritten, grants: await gateway.grants() };
    }
    default:
      throw new TideError('unknown-request', `the control socket does not know ${request}`);
  }
}

function grantIn(body: unknown): z.infer<typeof grantBody> {
  const parsed = grantBody.safeParse(body);
  if (!parsed.success) throw new TideError('bad-request', 'a grant is {"series": PATTERN, "purpose"?: NAME}');
  return parsed.data;
}
