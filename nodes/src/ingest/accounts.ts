import type { PressureListener } from './door.ts';
import { seedOf, type Seed } from './receipt.ts';

/** What one client has waiting for its commit. */
export interface Account {
  readonly client: string;
  readonly seed: Seed;
  /** Bytes. */
  waiting: number;
  paused: boolean;
}

const MAX_IDLE = 10_000;

/** Uncommitted bytes by client: above the limit a client is asked to pause, at half of it to go on. */
export class Accounts {
  readonly maxBytesPerClient: number;
  private readonly accounts = new Map<string, Account>();
  private readonly listeners = new Set<PressureListener>();
  /** Bytes of all clients. */
  waiting = 0;

  constructor(maxBytesPerClient: number) {
    this.maxBytesPerClient = maxBytesPerClient;
  }

  of(client: string): Account {
    let account = this.accounts.get(client);
    if (account === undefined) {
      if (this.accounts.size >= MAX_IDLE) this.forgetIdle();
      account = { client, seed: seedOf(client), waiting: 0, paused: false };
      this.accounts.set(client, account);
    }
    return account;
  }

  charge(account: Account, bytes: number): void {
    account.waiting += bytes;
    this.waiting += bytes;
    if (!account.paused && account.waiting > this.maxBytesPerClient) this.press(account, true);
  }

  release(account: Account, bytes: number): void {
    account.waiting -= bytes;
    this.waiting -= bytes;
    if (account.paused && account.waiting * 2 <= this.maxBytesPerClient) this.press(account, false);
  }

  listen(listener: PressureListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private press(account: Account, paused: boolean): void {
    account.paused = paused;
    for (const listener of this.listeners) listener(account.client, paused);
  }

  private forgetIdle(): void {
    for (const [client, account] of this.accounts) if (account.waiting === 0) this.accounts.delete(client);
  }
}
