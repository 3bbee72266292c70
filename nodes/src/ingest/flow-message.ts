import type { NodeMessage } from '../node/node-red.ts';
import type { DoorMessage } from './message.ts';

/** A message of the flow as one that a sensor might have sent: numbers and objects become the text that stands for them. */
export function doorMessageOf({ topic, payload }: NodeMessage, client: string, received: number): DoorMessage {
  return {
    topic: typeof topic === 'string' ? topic : '',
    payload: bytesOf(payload),
    client,
    qos: 0,
    dup: false,
    stale: false,
    received,
  };
}

function bytesOf(payload: unknown): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  if (typeof payload === 'string') return Buffer.from(payload);
  if (payload === undefined || payload === null) return Buffer.alloc(0);
  // A bare NaN would be null in JSON: no value, where "not a number" is the truth.
  if (typeof payload === 'number') return Buffer.from(String(payload));
  return Buffer.from(JSON.stringify(payload));
}
