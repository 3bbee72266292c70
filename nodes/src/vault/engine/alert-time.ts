import { z } from 'zod';
import { decodeCbor } from '../cbor.ts';

const timedSchema = z.object({ time: z.number().min(-8.64e15).max(8.64e15) });

/** When an alert was raised (field `time` of detect/alert), epoch milliseconds; undefined for a body that does not say. */
export function timeOfAlert(body: Uint8Array): number | undefined {
  try {
    const { success, data } = timedSchema.safeParse(decodeCbor(body));
    return success ? data.time : undefined;
  } catch {
    // No CBOR: whoever queued it says what it is.
    return undefined;
  }
}
