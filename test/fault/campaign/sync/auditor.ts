import { orphanOf, type Change, type ChangeResult, type Range, type Vault } from '@tidegate/nodes/vault';
import type { CloudHistory } from './cloud-history.ts';
import { alertKey, blockKey, sha256, type Fate, type Ledger, type MadePart } from './ledger.ts';

interface Doubt {
  blocks: { stream: string; body: Uint8Array }[];
  alerts: { id: string; revision: number; body: Uint8Array }[];
  /** Keys of blocks and alerts that the commit drops, and what becomes of them by that. */
  drops: Map<string, Fate>;
}

const CATALOGUE = 'catalogue';

/**
 * Stands between a gateway and its vault and keeps the ledger: what was sealed, and what was dropped and why. A drop is
 * held against the cloud's rows at the very moment at which the gateway commits it.
 */
export class Auditor {
  /** Parts of the blocks that the flow will seal, by digest of the body. */
  readonly intended = new Map<string, readonly MadePart[]>();
  /** Blocks that the flow gives up and declares, as long as that commit is under way: by stream. */
  readonly givingUp = new Map<string, readonly Range[]>();
  private readonly gateway: string;
  private readonly ledger: Ledger;
  private readonly history: CloudHistory;
  private incarnation = '';
  /** Commits that were under way when the process died. */
  private readonly doubts = new Set<Doubt>();

  constructor(gateway: string, ledger: Ledger, history: CloudHistory) {
    this.gateway = gateway;
    this.ledger = ledger;
    this.history = history;
  }

  /** A commit, with `run` to carry it out. Of a process that died meanwhile nobody knows whether it was carried out. */
  async commit(
    changes: readonly Change[],
    run: () => Promise<readonly ChangeResult[]>,
    isAlive: () => boolean,
  ): Promise<readonly ChangeResult[]> {
    const doubt: Doubt = { blocks: [], alerts: [], drops: new Map() };
    for (const change of changes) {
      if (change.kind === 'block') doubt.blocks.push(change);
      else if (change.kind === 'alert') doubt.alerts.push(change);
      else if (change.kind === 'blocks-acknowledged') this.dropsBlocks(change.stream, change.ranges, doubt);
      else if (change.kind === 'alerts-acknowledged')
        for (const { id, revision } of change.alerts) this.dropsAlert(id, revision, doubt);
    }
    this.doubts.add(doubt);
    const results = await run();
    if (!isAlive()) return results;
    this.doubts.delete(doubt);
    for (const [i, change] of changes.entries()) {
      if (change.kind === 'block') this.enter(this.incarnation, change.stream, results[i].number, change.body);
      else if (change.kind === 'alert') this.ledger.alert(this.gateway, change.id, change.revision, change.body);
    }
    for (const [key, fate] of doubt.drops) this.settle(key, fate);
    return results;
  }

  /**
   * Holds an outbox that was just opened against the ledger. `older`: the vault is one of an earlier time, so what came
   * after it is not there any more.
   */
  async reconcile(vault: Vault, older: boolean): Promise<void> {
    this.incarnation = vault.incarnation;
    const there = new Set<string>();
    for (const { stream, count } of await vault.outbox.streams()) {
      if (count === 0) continue;
      for (const { number, body } of await vault.outbox.peek(stream, 'oldest', [], Number.MAX_SAFE_INTEGER)) {
        const { incarnation, name } = this.placeOf(stream);
        const key = blockKey(this.gateway, incarnation, name, number);
        const known = this.ledger.blocks.get(key);
        if (known === undefined && !this.isInDoubt(name, body)) throw new Error(`${key} waits, and nobody made it`);
        this.enter(incarnation, name, number, body).fate = 'waiting';
        there.add(key);
      }
    }
    for (const { id, revision, body } of await vault.outbox.alerts(1_000_000, new Set())) {
      const key = alertKey(this.gateway, id, revision);
      const known = this.ledger.alerts.get(key);
      if (known === undefined && !this.alertInDoubt(id, revision, body))
        throw new Error(`${key} waits, and nobody raised it`);
      this.ledger.alert(this.gateway, id, revision, body).fate = 'waiting';
      there.add(key);
    }
    const drops = new Map([...this.doubts].flatMap((doubt) => [...doubt.drops]));
    this.doubts.clear();
    const all = [
      ...this.ledger.blocksOf(this.gateway).map((block) => [keyOfBlock(block), block] as const),
      ...this.ledger.alertsOf(this.gateway).map((alert) => [keyOfAlert(alert), alert] as const),
    ];
    for (const [key, made] of all) {
      if (made.fate !== 'waiting' || there.has(key)) continue;
      const dropped = drops.get(key);
      if (older) made.fate = this.history.hasNow(key) === made.digest ? 'delivered' : 'astray';
      else if (dropped !== undefined) this.settle(key, dropped);
      else throw new Error(`${key} was sealed, the cloud did not acknowledge it, and it is not in the outbox any more`);
    }
  }

  private enter(incarnation: string, stream: string, number: number, body: Uint8Array) {
    const intended = this.intended.get(sha256(body));
    if (intended === undefined && stream !== CATALOGUE)
      throw new Error(`block ${number} of ${stream} is none that the flow made`);
    return this.ledger.block({ gateway: this.gateway, incarnation, stream, number, body, parts: intended ?? [] });
  }

  private dropsBlocks(stream: string, ranges: readonly Range[], doubt: Doubt): void {
    const { incarnation, name } = this.placeOf(stream);
    const givenUp = this.givingUp.get(stream) === ranges;
    for (const block of this.ledger.blocksOf(this.gateway)) {
      const { number, fate } = block;
      if (block.incarnation !== incarnation || block.stream !== name || fate !== 'waiting') continue;
      if (!ranges.some(([from, to]) => from <= number && number <= to)) continue;
      const key = keyOfBlock(block);
      doubt.drops.set(key, givenUp ? 'given-up' : this.fateOf(key, block.digest));
    }
  }

  private dropsAlert(id: string, revision: number, doubt: Doubt): void {
    const key = alertKey(this.gateway, id, revision);
    const made = this.ledger.alerts.get(key);
    if (made?.fate === 'waiting') doubt.drops.set(key, this.fateOf(key, made.digest));
  }

  /** Of something that the gateway forgets because the cloud is said to have it. */
  private fateOf(key: string, digest: string): Fate {
    if (this.history.hasNow(key) === digest) return 'delivered';
    if (this.history.hadBeforeRestore(key) === digest) return 'bereft';
    throw new Error(`${key} is forgotten by its gateway, and the cloud’s database has no row of it`);
  }

  private settle(key: string, fate: Fate): void {
    const made = this.ledger.blocks.get(key) ?? this.ledger.alerts.get(key);
    if (made !== undefined) made.fate = fate;
  }

  private isInDoubt(stream: string, body: Uint8Array): boolean {
    return [...this.doubts].some(({ blocks }) =>
      blocks.some((block) => block.stream === stream && Buffer.compare(block.body, body) === 0),
    );
  }

  private alertInDoubt(id: string, revision: number, body: Uint8Array): boolean {
    return [...this.doubts].some(({ alerts }) =>
      alerts.some((alert) => alert.id === id && alert.revision === revision && Buffer.compare(alert.body, body) === 0),
    );
  }

  private placeOf(stream: string): { incarnation: string; name: string } {
    return orphanOf(stream) ?? { incarnation: this.incarnation, name: stream };
  }
}

const keyOfBlock = (block: { gateway: string; incarnation: string; stream: string; number: number }): string =>
  blockKey(block.gateway, block.incarnation, block.stream, block.number);

const keyOfAlert = (alert: { gateway: string; id: string; revision: number }): string =>
  alertKey(alert.gateway, alert.id, alert.revision);
