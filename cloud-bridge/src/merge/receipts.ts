import type { Sender } from './opener.ts';
import type { Replies } from './replies.ts';

interface Account {
  sender: Sender;
  blocks: Map<string, number[]>;
  /** Of the blocks, those whose numbers stand for other bytes. */
  conflicts: Map<string, number[]>;
  alerts: [string, number][];
  gaps: [number, number][];
  poison: { stream: string; number: number; reason: string }[];
}

/** Entries of one acknowledgement. */
const MOST = 4096;

/** Gathers what one transaction committed, into one acknowledgement for each gateway. */
export class Receipts {
  private readonly replies: Replies;
  private readonly accounts = new Map<string, Account>();

  constructor(replies: Replies) {
    this.replies = replies;
  }

  block(sender: Sender, stream: string, number: number): void {
    add(this.account(sender).blocks, stream, number);
  }

  conflict(sender: Sender, stream: string, number: number): void {
    this.block(sender, stream, number);
    add(this.account(sender).conflicts, stream, number);
  }

  alert(sender: Sender, id: string, revision: number): void {
    this.account(sender).alerts.push([id, revision]);
  }

  gap(sender: Sender, id: number, last: number): void {
    this.account(sender).gaps.push([id, last]);
  }

  poison(sender: Sender, stream: string, number: number, reason: string): void {
    this.account(sender).poison.push({ stream, number, reason });
  }

  send(): void {
    for (const { sender, blocks, conflicts, alerts, gaps, poison } of this.accounts.values()) {
      const streams = rangesByStream(blocks);
      const taken = conflicts.size === 0 ? {} : { conflicts: rangesByStream(conflicts) };
      for (let from = 0; from === 0 || from < alerts.length; from += MOST) {
        const some = alerts.slice(from, from + MOST);
        if (blocks.size > 0 || some.length > 0) this.replies.acknowledge(sender, { streams, alerts: some, ...taken });
      }
      for (let from = 0; from < gaps.length; from += MOST)
        this.replies.acknowledge(sender, { streams: {}, alerts: [], gaps: gaps.slice(from, from + MOST) });
      for (const { stream, number, reason } of poison)
        this.replies.refuse(sender, { code: 'poison', reason, stream, blocks: [[number, number]] });
    }
  }

  private account(sender: Sender): Account {
    const name = `${sender.gatewayId}/${sender.incarnationId}`;
    let account = this.accounts.get(name);
    if (account === undefined) {
      account = { sender, blocks: new Map(), conflicts: new Map(), alerts: [], gaps: [], poison: [] };
      this.accounts.set(name, account);
    }
    return account;
  }
}

function add(numbers: Map<string, number[]>, stream: string, number: number): void {
  const known = numbers.get(stream);
  if (known === undefined) numbers.set(stream, [number]);
  else known.push(number);
}

function rangesByStream(numbers: ReadonlyMap<string, number[]>): Record<string, [number, number][]> {
  return Object.fromEntries([...numbers].map(([stream, some]) => [stream, rangesOf(some).slice(0, MOST)]));
}

/** Inclusive ranges, ascending, not touching, of numbers in any order and with repetitions. */
export function rangesOf(numbers: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && number <= last[1] + 1) last[1] = Math.max(last[1], number);
    else ranges.push([number, number]);
  }
  return ranges;
}
