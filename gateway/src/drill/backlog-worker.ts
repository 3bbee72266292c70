/** Thread that makes blocks of the drill's backlog, one hour of one gap after the other. Started by file-threads. */
import { parentPort, workerData } from 'node:worker_threads';

import { streamOf } from '@tidegate/nodes/summary';
import { splitBlocks, tallyOf } from '@tidegate/nodes/sync';

import { DAY, LADDER, Measured } from './backlog.ts';
import type { Answer, BacklogAsk, MadeBlocks } from './threads.ts';

const HOUR = 3_600_000;

if (parentPort === null) throw new Error('backlog-worker runs as a worker thread only');
const port = parentPort;
const { series, purpose } = workerData as { series: number[]; purpose: string };
const measured = new Measured(series);
const say = (answer: Answer, passed: ArrayBuffer[] = []): void => port.postMessage(answer, passed);

/** What closed within an hour, as the outbox has it: fine windows first, the day last. */
function hourOf(start: number): MadeBlocks {
  const made: MadeBlocks = [];
  for (const rung of LADDER.toReversed()) {
    const length = rung * 1000;
    // A day closes with its last hour.
    const from = rung === 86_400 ? Math.floor(start / DAY) * DAY : start;
    if (from + length > start + HOUR) continue;
    const stream = streamOf(purpose, rung);
    for (let at = from; at < start + HOUR; at += length)
      for (const { body, parts } of splitBlocks(measured.window(rung, at)))
        made.push({ stream, body: ownBytes(body), tally: tallyOf(parts) });
  }
  return made;
}

/** Bytes in a buffer of their own, which can be passed on without copying it once more. */
function ownBytes(body: Uint8Array): Uint8Array<ArrayBuffer> {
  return body.byteLength === body.buffer.byteLength ? (body as Uint8Array<ArrayBuffer>) : Uint8Array.from(body);
}

port.on('message', ({ id, ask }: { id: number; ask: BacklogAsk }) => {
  if (ask === 'close') {
    say({ id, value: undefined });
    port.close();
    return;
  }
  const made = hourOf(ask.hour);
  say(
    { id, value: made },
    made.map(({ body }) => body.buffer as ArrayBuffer),
  );
});
say({ id: 0, value: undefined });
