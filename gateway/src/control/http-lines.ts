import type { ServerResponse } from 'node:http';

import { reasonOf, TideError } from '@tidegate/nodes/node';

import type { Line } from './requests.ts';

/** How long a reader may leave what was sent unread before its answer is broken off. */
const STALL_MS = 600_000;

/**
 * Sends a long answer as lines of JSON, as fast as the reader takes them; ends the iteration when the reader goes away. An
 * error on the way is the last line.
 */
export async function sendLines(lines: AsyncIterable<Line>, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  try {
    for await (const line of lines) {
      if (response.destroyed) return;
      if (!response.write(`${JSON.stringify(line)}\n`)) await drained(response);
      if (response.destroyed) return;
    }
  } catch (error) {
    const code = error instanceof TideError ? error.code : 'failed';
    const line: Line = { error: { code, message: reasonOf(error) } };
    if (!response.destroyed) response.write(`${JSON.stringify(line)}\n`);
  }
  response.end();
}

/** Resolves when there is room again or the connection is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => response.destroy(), STALL_MS);
    const done = (): void => {
      clearTimeout(timer);
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
