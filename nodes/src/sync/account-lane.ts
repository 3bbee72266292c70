import type { Clock } from '../node/clock.ts';
import { DEFAULT_PURPOSE } from '../privacy/grants.ts';
import { purposeOf } from '../summary/stream.ts';
import { ACCOUNT_COLUMNS } from '../vault/accounts.ts';
import type { Vault } from '../vault/vault.ts';
import { ACCOUNT_CHECKS, checkKey, type AccountCheck } from './account-check.ts';
import { readCounts, streamsOf, type StreamCounts } from './account.ts';
import { encodeBody } from './body.ts';
import type { LaneParts } from './lane-parts.ts';
import { MAX_CLAIMED, MAX_CLAIMED_RANGES, event, type Claim, type ClaimVerdict } from './messages.ts';
import type { Outgoing } from './outgoing.ts';
import type { SendBody } from './transport.ts';

/** Between two comparisons; after one that found a difference, or broke off; and after a session began. */
const EVERY_MS = 3_600_000;
const AGAIN_MS = 300_000;
const FIRST_MS = 30_000;
/** Without an answer; doubled each time. A cloud of an older version never answers. */
const FIRST_TIMEOUT_MS = 5_000;
const LAST_TIMEOUT_MS = 600_000;
/** The cloud was ahead: its acknowledgements are stored by then. */
const LATER_MS = 2_000;
const MOST_LATER = 5;

type Page = Omit<Claim, 'id'>;

/**
 * Tells the cloud, now and then when nothing is under way, what became of the readings of each series, and stores whether
 * the cloud's database holds what was delivered. One claim is under way at a time; a claim is of one moment, and whatever
 * changed since makes the cloud say `later`.
 */
export class AccountLane {
  private readonly clock: Clock;
  private readonly vault: Vault;
  private readonly outgoing: Outgoing;
  private readonly send: SendBody;
  private readonly random: () => number;
  /** Claims that are still to be made; undefined between two comparisons. */
  private pages: Page[] | undefined;
  private underWay: { id: number; page: Page } | undefined;
  private checks: AccountCheck[] = [];
  /** Series that the newest whole comparison found different, and blocks since of which the cloud keeps other bytes. */
  private differing = 0;
  private forked = 0;
  private dueAt = Infinity;
  private timeoutAt = Infinity;
  private timeoutMs = FIRST_TIMEOUT_MS;
  private later = 0;
  private answered: ClaimVerdict | undefined;

  constructor({ clock, vault, outgoing, send }: LaneParts, random: () => number) {
    this.clock = clock;
    this.vault = vault;
    this.outgoing = outgoing;
    this.send = send;
    this.random = random;
  }

  /** The cloud keeps other bytes under the numbers of so many blocks: the next comparison tells whether that made a difference. */
  conflicts(blocks: number): void {
    this.forked += blocks;
    this.dueAt = Math.min(this.dueAt, this.clock.monotonic() + FIRST_MS);
  }

  /** What the two ends hold differently, in words; undefined when nothing is known of it. */
  get conflict(): string | undefined {
    if (this.differing > 0)
      return `the cloud holds something else of ${text(this.differing, 'series', 'series')}; tidegate account names them`;
    return this.forked === 0
      ? undefined
      : `the cloud keeps other bytes under the numbers of ${text(this.forked, 'block', 'blocks')}`;
  }

  /** A session has begun. */
  begin(): void {
    const now = this.clock.monotonic();
    if (this.dueAt === Infinity) this.dueAt = now + FIRST_MS;
  }

  /** The connection is lost: a comparison that was under way begins anew. */
  reset(): void {
    if (this.pages !== undefined) this.dueAt = this.clock.monotonic() + FIRST_MS;
    this.pages = undefined;
    this.underWay = undefined;
    this.timeoutAt = Infinity;
    this.timeoutMs = FIRST_TIMEOUT_MS;
  }

  /** Called while nothing else is under way. */
  async step(): Promise<void> {
    const now = this.clock.monotonic();
    const { answered } = this;
    this.answered = undefined;
    if (answered !== undefined) await this.take(answered);
    if (this.underWay !== undefined) {
      if (now < this.timeoutAt) return;
      this.timeoutMs = Math.min(LAST_TIMEOUT_MS, this.timeoutMs * 2);
      this.breakOff(this.timeoutMs);
    }
    if (now < this.dueAt) return;
    this.pages ??= await this.claims();
    const page = this.pages.shift();
    if (page === undefined) await this.end();
    else this.ship(page);
  }

  /** The cloud's answer to a claim. */
  verdict(verdict: ClaimVerdict): void {
    if (verdict.id === this.underWay?.id) this.answered = verdict;
  }

  /** When there is something to do next, monotonic. */
  nextWake(): number {
    if (this.answered !== undefined) return this.clock.monotonic();
    return this.underWay === undefined ? this.dueAt : this.timeoutAt;
  }

  private ship(page: Page): void {
    const id = Math.floor(this.random() * 2 ** 48);
    if (this.send('bulk', 'event', encodeBody(event, { gaps: [], claim: { id, ...page } })) === undefined)
      return this.breakOff(FIRST_MS);
    this.underWay = { id, page };
    this.timeoutAt = this.clock.monotonic() + this.timeoutMs;
  }

  private async take({ time, result, differing, series }: ClaimVerdict): Promise<void> {
    if (this.underWay === undefined) return;
    const { stream, from } = this.underWay.page;
    this.underWay = undefined;
    this.timeoutAt = Infinity;
    this.timeoutMs = FIRST_TIMEOUT_MS;
    if (result === 'later') {
      this.breakOff(++this.later > MOST_LATER ? AGAIN_MS : LATER_MS);
      return;
    }
    this.later = 0;
    const check = { stream, from, time, differing, series };
    this.checks.push(check);
    await this.vault.commit([
      { kind: 'document', namespace: ACCOUNT_CHECKS, key: checkKey(stream, from), value: check },
    ]);
  }

  /** All was compared: what was said of claims that are no longer made is forgotten. */
  private async end(): Promise<void> {
    const made = new Set(this.checks.map(({ stream, from }) => checkKey(stream, from)));
    const stored = await this.vault.documents.list(ACCOUNT_CHECKS);
    const gone = stored.filter(({ key }) => !made.has(key));
    if (gone.length > 0)
      await this.vault.commit(
        gone.map(({ key }) => ({ kind: 'document', namespace: ACCOUNT_CHECKS, key, value: undefined })),
      );
    this.differing = this.checks.reduce((sum, { differing }) => sum + differing, 0);
    if (this.differing === 0) this.forked = 0;
    this.breakOff(this.differing > 0 ? AGAIN_MS : EVERY_MS);
  }

  private breakOff(pauseMs: number): void {
    this.pages = undefined;
    this.underWay = undefined;
    this.checks = [];
    this.timeoutAt = Infinity;
    this.dueAt = this.clock.monotonic() + pauseMs;
  }

  private async claims(): Promise<Page[]> {
    const counts = await readCounts(this.vault);
    return streamsOf(counts).flatMap((stream) => this.pagesOf(stream));
  }

  /** Of series that have no grant now nothing is said but that they are not spoken of, and that only where the cloud knows them. */
  private pagesOf({ stream, sealed, waiting, series }: StreamCounts): Page[] {
    if (waiting === undefined || waiting.length > MAX_CLAIMED_RANGES) return [];
    const purpose = purposeOf(stream) ?? DEFAULT_PURPOSE;
    const pages: Page[] = [];
    let page: Page = { stream, sealed, waiting, from: 0, to: Number.MAX_SAFE_INTEGER, series: [], unsaid: [] };
    for (const [number, { counts, windows }] of series) {
      const name = this.vault.series.name(number);
      const said = name !== undefined && this.outgoing.grants.allows(name, purpose);
      if (!said && counts.delivered === 0) continue;
      if (page.series.length + page.unsaid.length >= MAX_CLAIMED) {
        pages.push({ ...page, to: number - 1 });
        page = { ...page, from: number, series: [], unsaid: [] };
      }
      if (!said) page.unsaid.push(number);
      else {
        const tally = windows === undefined ? [] : [windows.taken, windows.stale, windows.open];
        page.series.push([number, ...ACCOUNT_COLUMNS.map((column) => counts[column]), ...tally]);
      }
    }
    const isEmpty = pages.length === 0 && page.series.length + page.unsaid.length === 0;
    return isEmpty ? [] : [...pages, page];
  }
}

const text = (count: number, one: string, many: string): string =>
  `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
