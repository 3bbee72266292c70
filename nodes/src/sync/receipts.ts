import type { Clock } from '../node/clock.ts';
import { Backoff } from './backoff.ts';
import { decodeBody } from './body.ts';
import type { Lanes } from './lanes.ts';
import { SCHEMA_VERSION, ack, nack, type FrameType, type Nack } from './messages.ts';
import type { Settling } from './settling.ts';
import type { Complain } from './shredding.ts';
import type { Range } from '../vault/vault.ts';

const HOLD = { floorMs: 500, firstMs: 5_000, capMs: 60_000 };

export interface ReceiptParts {
  clock: Clock;
  random: () => number;
  lanes: Lanes;
  settling: Settling;
  complain: Complain;
}

/** What the cloud says became of what was sent: to the lanes, so that they do not send it again, and into the vault, which forgets it. */
export class Receipts {
  private readonly parts: ReceiptParts;
  private readonly holdBackoff: Backoff;

  constructor(parts: ReceiptParts) {
    this.parts = parts;
    this.holdBackoff = new Backoff(parts.random, HOLD);
  }

  /** An ACK. True when it names alerts. */
  acknowledged(body: Uint8Array): boolean {
    const { lanes, settling, complain } = this.parts;
    const { streams, alerts, gaps, conflicts, verdict } = decodeBody(ack, body);
    this.holdBackoff.reset();
    lanes.alerts.acknowledged(alerts);
    for (const [stream, ranges] of Object.entries(conflicts ?? {})) {
      const ours = lanes.blocks.sentOf(stream, ranges);
      if (ours.length === 0) continue;
      settling.conflicts(stream, ours);
      lanes.accounts.conflicts(ours.reduce((sum, [from, to]) => sum + to - from + 1, 0));
      complain(`the cloud holds other bytes under blocks of ${stream}, and keeps those`);
    }
    this.held(
      Object.fromEntries(
        Object.entries(streams).map(([stream, ranges]) => [stream, lanes.blocks.sentOf(stream, ranges)]),
      ),
    );
    if (gaps !== undefined) lanes.gaps.acknowledged(gaps);
    if (verdict !== undefined) lanes.accounts.verdict(verdict);
    return alerts.length > 0;
  }

  /** Blocks that the cloud's database holds. */
  held(streams: Readonly<Record<string, readonly Range[]>>): void {
    const { lanes, settling } = this.parts;
    for (const [stream, ranges] of Object.entries(streams)) {
      lanes.blocks.acknowledged(stream, ranges);
      settling.blocks(stream, ranges);
    }
  }

  /** A NACK. Why nothing may be sent any more, or undefined when it goes on. */
  refused({ code, reason, stream, blocks, schemas }: Nack): string | undefined {
    const { clock, lanes, settling, complain } = this.parts;
    if (code === 'upgrade') {
      const older = olderEnd(schemas);
      if (older !== undefined) return `${older}: ${reason}; what waits is kept`;
      complain(`the cloud refuses what an earlier version of this gateway said: ${reason}`);
    } else if (code === 'retry') {
      lanes.blocks.hold(clock.monotonic() + this.holdBackoff.next());
    } else if (code === 'poison') {
      complain(`the cloud cannot read blocks of ${stream ?? 'a stream'}: ${reason}`);
      if (stream === undefined || blocks === undefined) return undefined;
      const ours = lanes.blocks.sentOf(stream, blocks);
      lanes.blocks.acknowledged(stream, ours);
      settling.poison(stream, ours);
    } else {
      return `${code === 'fenced' ? 'another copy of this gateway is running' : 'the cloud does not know this gateway'}: ${reason}`;
    }
    return undefined;
  }

  /** What else comes under an earlier incarnation is meant for whoever writes under it. True when the cloud answered. */
  earlier(type: FrameType, body: Uint8Array, incarnation: string): boolean {
    const { orphans } = this.parts.lanes;
    if (type === 'ack') {
      orphans.acknowledged(incarnation, decodeBody(ack, body));
      return true;
    }
    if (type === 'nack') {
      const { code, stream, blocks } = decodeBody(nack, body);
      if (code === 'poison' && stream !== undefined && blocks !== undefined)
        orphans.poisoned(incarnation, stream, blocks);
    }
    return false;
  }
}

/** Which end has to be upgraded; undefined when the cloud reads what this gateway writes, so that it must mean something older. */
function olderEnd(schemas: Nack['schemas']): string | undefined {
  if (schemas === undefined) return 'cloud and gateway do not understand each other';
  const [oldest, newest] = schemas;
  if (newest < SCHEMA_VERSION) return 'the cloud is too old for this gateway, upgrade the cloud';
  return oldest > SCHEMA_VERSION ? 'this gateway is too old for the cloud, upgrade the gateway' : undefined;
}
