import type { z } from 'zod';
import { reasonOf } from '../node/errors.ts';
import { decodeCbor, encodeCbor } from './cbor.ts';
import { FrameError } from './frame-error.ts';

/** Bytes of a frame's body. Checked against the schema too: what we would refuse we do not send. */
export function encodeBody<T>(schema: z.ZodType<T>, value: T): Uint8Array {
  return encodeCbor(schema.parse(value));
}

/** The body of a frame. Throws FrameError `malformed`, naming the place and what was expected there. */
export function decodeBody<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  let value: unknown;
  try {
    value = decodeCbor(bytes);
  } catch (error) {
    throw new FrameError('malformed', reasonOf(error), { cause: error });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new FrameError(
    'malformed',
    `${issue?.path.join('.') || 'body'}: ${(issue?.message ?? 'invalid').slice(0, 200)}`,
  );
}
