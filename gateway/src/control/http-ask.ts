import { type IncomingMessage, request } from 'node:http';

import { TideError } from '@tidegate/nodes/node';
import { z } from 'zod';

import { codeOf } from '../error-code.ts';
import type { Line } from './requests.ts';

/** Largest answer that is no stream, and largest line of one, bytes. */
const MAX_ANSWER = 1 << 20;
const MAX_LINE = 1 << 24;
const PATIENCE_MS = 60_000;

const failure = z.object({ code: z.string(), message: z.string() });
const answerShape = z.looseObject({ error: failure.optional() });

/** Asks a running gateway; undefined when none listens at the socket. Throws what the gateway answers as a TideError. */
export async function askControl(
  socket: string,
  method: string,
  requestPath: string,
  body?: unknown,
): Promise<unknown> {
  const answer = await exchange(socket, method, requestPath, body, PATIENCE_MS);
  return answer === undefined ? undefined : bodyOf(answer);
}

/**
 * Asks a running gateway for a long answer; undefined when none listens at the socket. The iteration throws a TideError
 * when the gateway reports one, and `cut-off` when the answer breaks off. Ending it early tells the gateway to stop.
 */
export async function askControlLines(
  socket: string,
  method: string,
  requestPath: string,
  body?: unknown,
): Promise<AsyncGenerator<Line> | undefined> {
  // A reader that takes its time is no reason to give up, and neither is a first row that is far away.
  const answer = await exchange(socket, method, requestPath, body, 0);
  if (answer === undefined) return undefined;
  if (answer.statusCode !== 200) await bodyOf(answer);
  return linesIn(answer);
}

async function exchange(
  socketPath: string,
  method: string,
  requestPath: string,
  body: unknown,
  timeout: number,
): Promise<IncomingMessage | undefined> {
  const text = body === undefined ? '' : JSON.stringify(body);
  try {
    return await new Promise((resolve, reject) => {
      // With its length, because Node sends the body of a DELETE without a frame otherwise.
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      const asked = request({ socketPath, method, path: requestPath, headers, timeout }, resolve);
      asked.on('timeout', () => asked.destroy(new TideError('no-answer', 'the running gateway does not answer')));
      asked.on('error', reject);
      asked.end(text);
    });
  } catch (error) {
    if (['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += (chunk as Buffer).length;
    if (size > MAX_ANSWER) throw new TideError('too-large', `the gateway answers with more than ${MAX_ANSWER} bytes`);
    chunks.push(chunk as Buffer);
  }
  const answer = answerShape.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  if (answer.error !== undefined) throw new TideError(answer.error.code, answer.error.message);
  return answer;
}

async function* linesIn(incoming: IncomingMessage): AsyncGenerator<Line> {
  try {
    for await (const text of textLines(incoming)) {
      const line = JSON.parse(text) as Line;
      if ('error' in line) {
        const { code, message } = failure.parse(line.error);
        throw new TideError(code, message);
      }
      yield line;
      if ('end' in line) return;
    }
  } finally {
    incoming.destroy();
  }
  throw new TideError('cut-off', 'the gateway broke its answer off before the end');
}

/** Lines of a stream, without their ends. A connection that was lost ends them as its end does. */
async function* textLines(incoming: IncomingMessage): AsyncGenerator<string> {
  let held: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of incoming) {
      let rest = chunk as Buffer;
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        yield Buffer.concat([...held, rest.subarray(0, end)]).toString('utf8');
        held = [];
        size = 0;
        rest = rest.subarray(end + 1);
      }
      held.push(rest);
      size += rest.length;
      if (size > MAX_LINE)
        throw new TideError('too-large', `the gateway answers with a line of more than ${MAX_LINE} bytes`);
    }
  } catch (error) {
    if (codeOf(error) !== 'ECONNRESET') throw error;
  }
}
