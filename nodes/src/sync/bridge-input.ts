import type { Alert } from '../detect/alert.ts';
import { decodeAlert, encodeAlert } from '../detect/alert-codec.ts';
import { TideError } from '../node/errors.ts';
import type { NodeMessage } from '../node/node-red.ts';
import { DEFAULT_PURPOSE } from '../privacy/grants.ts';

/** What a message asks of tide-bridge. */
export type BridgeInput =
  | { kind: 'grant' | 'revoke'; series: string; purpose: string }
  | { kind: 'alerts'; alerts: Alert[] }
  /** What lies in the outbox already, by another way. */
  | { kind: 'nudge' };

/** Most alerts that one message may carry. */
const MAX_ALERTS = 1_000;

/** Throws TideError `bad-input` or `bad-alert` for what a bridge has no use for. */
export function readBridgeInput(message: NodeMessage): BridgeInput {
  const { topic, payload, tide } = message;
  if (topic === 'grant' || topic === 'revoke') return readDecision(topic, payload);
  const kind = isObject(tide) ? tide['kind'] : undefined;
  if (kind === 'readings' || kind === 'summaries') return { kind: 'nudge' };
  const candidates: unknown[] = Array.isArray(payload) ? payload : [payload];
  if (candidates.length > MAX_ALERTS)
    throw new TideError('bad-input', `a message with ${candidates.length} alerts; at most ${MAX_ALERTS} are allowed`);
  // Checked here, since nobody looks at an alert that no grant lets out.
  if (candidates.every(looksLikeAlert))
    return { kind: 'alerts', alerts: candidates.map((one) => decodeAlert(encodeAlert(one))) };
  throw new TideError(
    'bad-input',
    'tide-bridge takes alerts, messages of tide-summarize, and the topics "grant" and "revoke" with a series pattern',
  );
}

function readDecision(kind: 'grant' | 'revoke', payload: unknown): BridgeInput {
  const fields = isObject(payload) ? payload : { series: payload };
  const { series, purpose = DEFAULT_PURPOSE } = fields;
  if (typeof series !== 'string' || typeof purpose !== 'string')
    throw new TideError(
      'bad-input',
      `${kind}: the payload is to be a series pattern such as line1/#, or {series, purpose}`,
    );
  return { kind, series, purpose };
}

function looksLikeAlert(candidate: unknown): candidate is Alert {
  return isObject(candidate) && ['id', 'revision', 'series', 'severity', 'text'].every((field) => field in candidate);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
