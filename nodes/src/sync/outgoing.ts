import type { Alert } from '../detect/alert.ts';
import { encodeAlert } from '../detect/alert-codec.ts';
import { systemClock, type Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import { companions } from '../node/shared.ts';
import { auditChanges } from '../privacy/audit.ts';
import { MAX_GRANTS, checkGrant, grantChanges, readGrants } from '../privacy/grant-store.ts';
import { DEFAULT_PURPOSE, GRANTS, type Grants } from '../privacy/grants.ts';
import { streamOf } from '../summary/stream.ts';
import type { Part } from '../summary/summary.ts';
import { SERIES_RECORDS } from '../vault/series-records.ts';
import type { Change, QueuedAlert, Vault } from '../vault/vault.ts';
import { Announcements } from './announcements.ts';
import { Lru } from './lru.ts';
import { declareOrphanWindows } from './orphan-windows.ts';
import { shreds } from './shredding.ts';
import { tallyOf } from './block-tally.ts';
import { splitBlocks } from './split-blocks.ts';

/** Document that stands while a revocation has not yet gone through the whole outbox. */
const SHREDDING = { namespace: 'outgoing', key: 'shredding' } as const;

/** Bytes of rewritten blocks that one commit takes. */
const COMMIT_BYTES = 4 << 20;
const RECENT_ALERTS = 4_096;

const opened = companions<Vault, Promise<Outgoing>>('outgoing');

/** The one Outgoing of a vault. */
export function outgoingOf(vault: Vault, clock: Clock = systemClock): Promise<Outgoing> {
  let outgoing = opened.get(vault);
  if (outgoing === undefined) {
    outgoing = Outgoing.open(vault, clock);
    opened.set(vault, outgoing);
    outgoing.catch(() => opened.delete(vault));
  }
  return outgoing;
}

/**
 * The only way into the outbox, and so the place of the grant check: what no grant covers is not queued, and what a
 * revocation covers is taken out again.
 */
export class Outgoing {
  private readonly vault: Vault;
  private readonly clock: Clock;
  private readonly announcements: Announcements;
  private standing: Grants;
  /** Somebody else wrote grants into the vault. */
  private stale = false;
  private changing = false;
  /** What people say of series could not be announced: it is tried again with the next parts, and at a start. */
  private untold = false;
  private lastTurn: Promise<unknown> = Promise.resolve();
  private readonly underWay = new Set<Promise<unknown>>();
  /** Alerts queued lately: tide-bridge is given again what tide-detect has committed. */
  private recent = new Lru<string, true>(RECENT_ALERTS);
  private readonly alertListeners = new Set<(alert: QueuedAlert) => void>();

  private constructor(vault: Vault, clock: Clock, announcements: Announcements, standing: Grants) {
    this.vault = vault;
    this.clock = clock;
    this.announcements = announcements;
    this.standing = standing;
  }

  static async open(vault: Vault, clock: Clock = systemClock): Promise<Outgoing> {
    await declareOrphanWindows(vault, clock);
    const outgoing = new Outgoing(vault, clock, await Announcements.open(vault), await readGrants(vault));
    vault.onChange((notice) => {
      if (notice.kind !== 'document') return;
      if (notice.name === GRANTS && !outgoing.changing) outgoing.stale = true;
      if (notice.name === SERIES_RECORDS) void outgoing.tellRecords();
    });
    await outgoing.announceChanged();
    return outgoing;
  }

  /** The grants as last read; `current()` reads again what others have written since. */
  get grants(): Grants {
    return this.standing;
  }

  async current(): Promise<Grants> {
    if (this.stale && !this.changing) {
      await this.inTurn(async () => {
        if (!this.stale) return;
        this.stale = false;
        try {
          this.standing = await readGrants(this.vault);
        } catch (error) {
          this.stale = true;
          throw error;
        }
      });
    }
    return this.standing;
  }

  /**
   * Seals the parts of series that are granted for `purpose` into blocks, after the names that the cloud does not know
   * yet, and commits them together with `alongside` in one transaction. `resolution` in seconds. Rejects when nothing of
   * it was committed.
   */
  async commitParts(
    parts: readonly Part[],
    resolution: number,
    alongside: readonly Change[],
    purpose: string = DEFAULT_PURPOSE,
  ): Promise<{ sealed: number; withheld: number }> {
    if (this.untold) await this.tellRecords();
    await this.current();
    // From here to the commit nothing is awaited: a revocation either finds this in `underWay` or was seen by this check.
    const grants = this.standing;
    const { granted = [], kept = [] } = Object.groupBy(parts, ({ series }) =>
      grants.allows(this.nameOf(series), purpose) ? 'granted' : 'kept',
    );
    const announcement = this.announcements.announce(
      granted.map(({ series }) => series),
      grants,
    );
    const stream = streamOf(purpose, resolution);
    const blocks = splitBlocks(granted).map(({ body, parts: within }): Change => ({
      kind: 'block',
      stream,
      body,
      tally: tallyOf(within),
    }));
    const withheld: Change[] = kept.length === 0 ? [] : [{ kind: 'withheld', stream, tally: tallyOf(kept) }];
    try {
      await this.tracked(this.vault.commit([...announcement.changes, ...blocks, ...withheld, ...alongside]));
    } catch (error) {
      announcement.failed();
      throw error;
    }
    return { sealed: granted.length, withheld: parts.length - granted.length };
  }

  /** Queues an alert together with `alongside`. Of a series without a grant only `alongside` is committed. */
  async commitAlert(alert: Alert, alongside: readonly Change[]): Promise<void> {
    await this.current();
    const { id, revision, series } = alert;
    const known = this.recent.get(`${id}/${revision}`) !== undefined;
    const queued: QueuedAlert[] =
      !known && this.standing.allows(series) ? [{ id, revision, body: encodeAlert(alert) }] : [];
    const changes = [...queued.map((entry): Change => ({ kind: 'alert', ...entry })), ...alongside];
    if (changes.length > 0) await this.tracked(this.vault.commit(changes));
    for (const entry of queued) {
      this.recent.set(`${id}/${revision}`, true);
      for (const listener of this.alertListeners) listener(entry);
    }
  }

  /** Gives leave. Counts from the moment the promise resolves, for what is summarised or raised from then on. */
  async grant(series: string, purpose: string = DEFAULT_PURPOSE): Promise<void> {
    checkGrant(series, purpose);
    await this.inTurn(async () => {
      const before = await readGrants(this.vault);
      const since = before.nextTime(this.clock.now());
      const after = before.granted({ series, purpose, since });
      if (after.list.length + after.refusals.length > MAX_GRANTS)
        throw new TideError('too-many-grants', `${MAX_GRANTS} grants and refusals stand already; no more are allowed`);
      const entry = { time: this.clock.now(), action: 'grant', series, purpose, outcome: 'may leave' } as const;
      await this.vault.commit([...grantChanges(before, after), ...(await auditChanges(this.vault, entry))]);
      this.standing = after;
    });
  }

  /**
   * Withdraws leave for every series that the pattern covers, also where a wider grant stands. Nothing of them is sent
   * or queued from the call on; what waits is shredded before the promise resolves, in the same commit as the withdrawal
   * as far as one commit reaches.
   */
  async revoke(series: string, purpose: string = DEFAULT_PURPOSE): Promise<{ rewritten: number }> {
    checkGrant(series, purpose);
    return this.inTurn(async () => {
      const before = await readGrants(this.vault);
      const after = before.revoked({ series, purpose, since: before.nextTime(this.clock.now()) });
      this.standing = after;
      this.recent = new Lru<string, true>(RECENT_ALERTS);
      // What was checked against the old grants has to be in the outbox before it is searched.
      await Promise.allSettled(this.underWay);
      const entry = { time: this.clock.now(), action: 'revoke', series, purpose, outcome: 'may not leave' } as const;
      try {
        return await this.shred(after, [...grantChanges(before, after), ...(await auditChanges(this.vault, entry))]);
      } catch (error) {
        this.stale = true;
        throw error;
      }
    });
  }

  /** Sends the names of all series once more: the cloud has lost them. */
  async announceAgain(): Promise<void> {
    await this.current();
    const announcement = this.announcements.announceAgain(this.standing);
    if (announcement.changes.length > 0) await this.tracked(this.vault.commit(announcement.changes));
  }

  /** Never rejects: parts do not wait for what people say. A disk that fails is told of by the commit of these, and by the vault. */
  private async tellRecords(): Promise<void> {
    this.untold = false;
    try {
      await this.announceChanged();
    } catch {
      this.untold = true;
    }
  }

  /** Tells what people say of series by now, of those that the cloud knows. */
  private async announceChanged(): Promise<void> {
    await this.current();
    await this.announcements.readRecords();
    const announcement = this.announcements.announceChanged(this.standing);
    if (announcement.changes.length === 0) return;
    try {
      await this.tracked(this.vault.commit(announcement.changes));
    } catch (error) {
      announcement.failed();
      throw error;
    }
  }

  /** Calls back with each alert that was queued, after its commit. Returns the unsubscriber. */
  onAlert(listener: (alert: QueuedAlert) => void): () => void {
    this.alertListeners.add(listener);
    return () => this.alertListeners.delete(listener);
  }

  /** Goes on with a revocation that a stop or a crash interrupted. */
  async resume(): Promise<void> {
    if ((await this.vault.documents.get(SHREDDING.namespace, SHREDDING.key)) === undefined) return;
    await this.inTurn(() => this.shred(this.standing, []));
  }

  private async shred(grants: Grants, first: readonly Change[]): Promise<{ rewritten: number }> {
    const forgotten = this.announcements.forgetRefused(grants);
    let pending: Change[] = [...first, ...forgotten.changes];
    let slices = 0;
    let size = 0;
    let rewritten = 0;
    let dropped = 0;
    try {
      const damage: string[] = [];
      for await (const { changes, blocks, alerts } of shreds(this.vault, grants, (reason) => damage.push(reason))) {
        pending.push(...changes);
        rewritten += blocks;
        dropped += alerts;
        size += changes.reduce((sum, change) => sum + (change.kind === 'rewrite-block' ? change.body.length : 64), 0);
        if (size < COMMIT_BYTES) continue;
        await this.vault.commit([...pending, { kind: 'document', ...SHREDDING, value: true }]);
        slices++;
        pending = [];
        size = 0;
      }
      const lost = damage.length === 0 ? '' : `; ${damage.length} unreadable, the first: ${damage[0]}`;
      const outcome = `${rewritten} waiting blocks rewritten, ${dropped} waiting alerts dropped${lost}`;
      const entry = { time: this.clock.now(), action: 'shred', series: '#', purpose: '', outcome } as const;
      if (rewritten + dropped > 0) pending.push(...(await auditChanges(this.vault, entry, slices === 0 ? 1 : 0)));
      await this.vault.commit([...pending, { kind: 'document', ...SHREDDING, value: undefined }]);
    } catch (error) {
      forgotten.failed();
      throw error;
    }
    return { rewritten };
  }

  /** Grants change one at a time. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.lastTurn.then(async () => {
      this.changing = true;
      try {
        return await work();
      } finally {
        this.changing = false;
      }
    });
    this.lastTurn = turn.catch(() => undefined);
    return turn;
  }

  private async tracked<T>(commit: Promise<T>): Promise<T> {
    this.underWay.add(commit);
    try {
      return await commit;
    } finally {
      this.underWay.delete(commit);
    }
  }

  private nameOf(number: number): string {
    const name = this.vault.series.name(number);
    if (name === undefined) throw new TypeError(`series number ${number} was never given out by this vault`);
    return name;
  }
}
