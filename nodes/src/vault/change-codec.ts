import { reasonOf, TideError } from '../node/errors.ts';
import { decodeTally } from './accounts.ts';
import { encodeCbor } from './cbor.ts';
import type { EncodedChange } from './engine.ts';
import { orphanOf } from './orphans.ts';
import type { Change } from './vault.ts';

const MAX_BODY = 1024 * 1024;
const MAX_TEXT = 1_024;

/**
 * A change as it crosses to the engine. Bytes are copied: the change may wait for its commit while its owner goes on
 * writing into them. Throws TideError for what the vault does not hold.
 */
export function encodeChange(change: Change): EncodedChange {
  switch (change.kind) {
    case 'document':
    case 'expect-document': {
      const { kind, namespace, key, value } = change;
      checkText('namespace', namespace);
      checkText('key', key);
      return { kind, namespace, key, value: value === undefined ? undefined : bounded(kind, encodeCbor(value)) };
    }
    case 'checkpoint':
      checkText('consumer', change.consumer);
      checkWhole('position', change.position);
      checkWhole('series', change.series);
      return { ...change, state: bounded('state', Uint8Array.from(change.state)) };
    case 'consumer':
      checkText('consumer', change.consumer);
      checkWhole('replayFrom', change.replayFrom);
      return change;
    case 'block':
      checkText('stream', change.stream);
      return { ...change, body: bounded('block', Uint8Array.from(change.body)), ...tallyIn(change) };
    case 'orphan-block':
      checkOrphan(change.stream);
      checkWhole('block number', change.number);
      return { ...change, body: bounded('block', Uint8Array.from(change.body)), ...tallyIn(change) };
    case 'rewrite-block':
      checkWhole('block number', change.number);
      return { ...change, body: bounded('block', Uint8Array.from(change.body)), ...tallyIn(change) };
    case 'withheld':
      checkText('stream', change.stream);
      return { ...change, ...tallyIn(change) };
    case 'alert':
      checkText('alert id', change.id);
      checkWhole('revision', change.revision);
      return { ...change, body: bounded('alert', Uint8Array.from(change.body)) };
    case 'advance':
      checkWhole('position', change.to);
      return change;
    case 'blocks-acknowledged':
      for (const [from, to] of change.ranges) {
        checkWhole('range', from);
        checkWhole('range', to);
      }
      return change;
    case 'alerts-acknowledged':
    case 'forget-consumer':
  }
  return change;
}

/** A tally that cannot be read is refused here, where its maker hears of it. */
function tallyIn({ tally }: { tally?: Uint8Array | undefined }): { tally?: Uint8Array } {
  if (tally === undefined) return {};
  const bytes = bounded('tally', Uint8Array.from(tally));
  try {
    decodeTally(bytes);
  } catch (error) {
    throw new TideError('bad-change', `tally: ${reasonOf(error)}`, { cause: error });
  }
  return { tally: bytes };
}

/** About what a change holds in memory. */
export function sizeOf(change: EncodedChange): number {
  const overhead = 128;
  if ('body' in change) return overhead + change.body.length;
  if ('state' in change) return overhead + change.state.length;
  if ('value' in change) return overhead + (change.value?.length ?? 0);
  if ('ranges' in change) return overhead + 16 * change.ranges.length;
  if ('alerts' in change) return overhead + 64 * change.alerts.length;
  return overhead;
}

function bounded(what: string, bytes: Uint8Array): Uint8Array {
  if (bytes.length > MAX_BODY)
    throw new TideError('too-large', `${what} of ${bytes.length} bytes; the vault takes at most ${MAX_BODY}`);
  return bytes;
}

function checkText(what: string, text: string): void {
  if (text === '' || text.length > MAX_TEXT)
    throw new TideError('bad-change', `${what}: ${text.length} characters; allowed are 1 to ${MAX_TEXT}`);
}

function checkOrphan(stream: string): void {
  checkText('stream', stream);
  if (orphanOf(stream) === undefined)
    throw new TideError('bad-change', `stream ${stream}: allowed are streams of an earlier incarnation`);
}

function checkWhole(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new TideError('bad-change', `${what}: ${value}; allowed are whole numbers from 0`);
}
