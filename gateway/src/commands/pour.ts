import type { Writable } from 'node:stream';

import { codeOf } from '../error-code.ts';

/**
 * Writes one text after the other, each when the one before it is out of memory. False when the reader has gone (`head`
 * has seen enough), which ends the iteration.
 */
export async function pour(texts: AsyncIterable<string>, out: Writable): Promise<boolean> {
  // The write's own callback says what went wrong; unheard, the event would end the process.
  out.on('error', () => undefined);
  for await (const text of texts) {
    const error = await new Promise<Error | null | undefined>((resolve) => {
      out.write(text, resolve);
    });
    if (error === null || error === undefined) continue;
    if (codeOf(error) === 'EPIPE') return false;
    throw error;
  }
  return true;
}
