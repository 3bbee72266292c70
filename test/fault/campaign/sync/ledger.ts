import { createHash } from 'node:crypto';
import type { Summary } from '@tidegate/nodes/summary';

export interface MadePart {
  series: string;
  resolution: number;
  windowStart: number;
  summary: Summary;
}

/**
 * waiting: in the outbox of the gateway, which has to bring it to the cloud. delivered: dropped from there on the cloud's
 * word, so the cloud has it. given-up: dropped and declared as a gap. astray: it was lost together with the disk that it
 * waited on; the cloud has it if it was under way. bereft: the cloud had it and lost it with its own database after the
 * gateway had forgotten it.
 */
export type Fate = 'waiting' | 'delivered' | 'given-up' | 'astray' | 'bereft';

export interface MadeBlock {
  gateway: string;
  /** 32 hexadecimal digits. */
  incarnation: string;
  stream: string;
  number: number;
  body: Uint8Array;
  digest: string;
  /** None for names. */
  parts: readonly MadePart[];
  fate: Fate;
}

export interface MadeAlert {
  gateway: string;
  id: string;
  revision: number;
  digest: string;
  fate: Fate;
}

/** What was made, kept apart from everything that is tested, and what has to be where. */
export class Ledger {
  readonly blocks = new Map<string, MadeBlock>();
  readonly alerts = new Map<string, MadeAlert>();

  /** Enters a block that is in an outbox; one that is known has to be the same. */
  block(block: Omit<MadeBlock, 'digest' | 'fate'>): MadeBlock {
    const digest = sha256(block.body);
    const key = blockKey(block.gateway, block.incarnation, block.stream, block.number);
    const known = this.blocks.get(key);
    if (known !== undefined && known.digest !== digest) throw new Error(`${key} was made twice, with other bytes`);
    const made = known ?? { ...block, digest, fate: 'waiting' as const };
    this.blocks.set(key, made);
    return made;
  }

  alert(gateway: string, id: string, revision: number, body: Uint8Array): MadeAlert {
    const key = alertKey(gateway, id, revision);
    const known = this.alerts.get(key);
    const digest = sha256(body);
    if (known !== undefined && known.digest !== digest) throw new Error(`${key} was made twice, with other bytes`);
    const made = known ?? { gateway, id, revision, digest, fate: 'waiting' as const };
    this.alerts.set(key, made);
    return made;
  }

  blocksOf(gateway: string): MadeBlock[] {
    return [...this.blocks.values()].filter((block) => block.gateway === gateway);
  }

  alertsOf(gateway: string): MadeAlert[] {
    return [...this.alerts.values()].filter((alert) => alert.gateway === gateway);
  }
}

export const blockKey = (gateway: string, incarnation: string, stream: string, number: number): string =>
  `${gateway} ${incarnation} ${stream} ${number}`;

export const alertKey = (gateway: string, id: string, revision: number): string => `${gateway} ${id}/${revision}`;

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
