import { TideError, type Clock } from '@tidegate/nodes/node';
import { FrameError, type FrameCodec, type OpenedFrame } from '@tidegate/nodes/sync';

import { labelOf } from '../gateway-label.ts';
import type { GatewayIdentity, MergeRecord, Store } from '../store/store.ts';
import type { Arrival } from './intake.ts';
import type { Refusals } from './refusals.ts';
import type { Recipient } from './replies.ts';

/** Who sent a frame, proven by its signature. */
export interface Sender extends Recipient {
  gatewayId: number;
  incarnationId: number;
  label: string;
}

export type SentFrame = OpenedFrame & { sender: Sender };

/** A sign of life is stored at most this often for each gateway. */
const SEEN_EVERY_MS = 5000;

/** Opens frames with the keys of the gateway that their topic names. Those that are refused are counted with a reason. */
export class Opener {
  private readonly store: Store;
  private readonly codec: FrameCodec;
  private readonly clock: Clock;
  private readonly refusals: Refusals;
  private readonly seen = new Map<number, number>();
  /** By incarnation: who waits for an answer to what is under way. */
  private waiting = new Map<number, Sender>();

  constructor(store: Store, codec: FrameCodec, clock: Clock, refusals: Refusals) {
    this.store = store;
    this.codec = codec;
    this.clock = clock;
    this.refusals = refusals;
  }

  async open({ address, bytes }: Arrival): Promise<SentFrame | undefined> {
    const gateway = await this.store.gateway(address.tenant, address.gateway);
    if (gateway === undefined) {
      this.refusals.count(undefined, 'unknown', 'frames of a gateway that is not enrolled');
      return undefined;
    }
    try {
      const opened = this.codec.open(address, bytes, () => gateway.keys);
      return { ...opened, sender: await this.sender(gateway, opened) };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.refusals.failed(labelOf(gateway), error);
      return undefined;
    }
  }

  async sender(gateway: GatewayIdentity, { header }: OpenedFrame): Promise<Sender> {
    const { id: gatewayId, tenant, name, keys } = gateway;
    const incarnation = Uint8Array.from(header.incarnation);
    const incarnationId = await this.store.incarnation(gatewayId, incarnation, this.clock.now());
    const sender = {
      gatewayId,
      tenant,
      name,
      label: labelOf(gateway),
      agreeKey: keys.agree,
      incarnation,
      incarnationId,
    };
    this.note(sender);
    return sender;
  }

  /** It waits for an answer: should the store fail now, it is told so. */
  note(sender: Sender): void {
    this.waiting.set(sender.incarnationId, sender);
  }

  /** Who was noted since the last call. */
  takeNoted(): Iterable<Sender> {
    const noted = this.waiting;
    this.waiting = new Map();
    return noted.values();
  }

  /** Runs what reads the inside of a frame: what is wrong there is its sender's fault. */
  read<T>(sender: Sender, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.refusals.failed(sender.label, error);
      return undefined;
    }
  }

  /** Records of those senders whose last sign of life is not fresh in the store. */
  signsOfLife(senders: Iterable<Sender>): MergeRecord[] {
    const now = this.clock.monotonic();
    const records: MergeRecord[] = [];
    for (const { gatewayId } of senders) {
      if (now - (this.seen.get(gatewayId) ?? Number.NEGATIVE_INFINITY) < SEEN_EVERY_MS) continue;
      this.seen.set(gatewayId, now);
      records.push({ kind: 'seen', gatewayId });
    }
    return records;
  }
}

/** Whether an error says that the frame is at fault, and not this cloud. */
export function isRefusal(error: unknown): boolean {
  return error instanceof FrameError || isBadRecord(error);
}

/** Whether the store said that it can never hold a record. */
export function isBadRecord(error: unknown): boolean {
  return error instanceof TideError && error.code === 'bad-record';
}
