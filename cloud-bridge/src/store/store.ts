import type { Alert } from '@tidegate/nodes/detect';
import type { Claim as WireClaim, ClaimVerdict, PeerKeys, Stamp, Ticket, WireGap } from '@tidegate/nodes/sync';

import type { CatalogueRecord, MergeRecord, PartRecord } from './records.ts';

export type * from './records.ts';

/**
 * What the cloud keeps, behind one interface for SQLite now and PostgreSQL later. Every promise of a writing call
 * resolves after the database has committed. Errors are TideErrors: `bad-record` when this data can never be stored,
 * `store-unavailable` when it may work later. Times are epoch milliseconds.
 */
export interface Store extends Registry, Tickets, Merging, Accounting, StateStore, StoreReads {
  close(): Promise<void>;
}

export interface GatewayIdentity {
  id: number;
  tenant: string;
  name: string;
  keys: PeerKeys;
}

export interface NewToken {
  id: string;
  tenant: string;
  gateway: string;
  /** What a proof is checked with (sync/enrolment); the secret itself is not kept. */
  verifier: Uint8Array;
  createdAt: number;
}

/** Who may speak, and what they say they hold. */
export interface Registry {
  addToken(token: NewToken): Promise<void>;
  token(id: string): Promise<NewToken | undefined>;
  /**
   * Registers the keys of a gateway against its token, once. `used`: other keys took the token before, or this gateway
   * has newer keys by now. The same keys again are `enrolled` again.
   */
  enrol(tokenId: string, keys: PeerKeys, now: number): Promise<'enrolled' | 'used'>;
  gateway(tenant: string, name: string): Promise<GatewayIdentity | undefined>;
  gatewayById(id: number): Promise<GatewayIdentity | undefined>;
  /** Id of an incarnation of a gateway; a new one is entered. */
  incarnation(gatewayId: number, incarnation: Uint8Array, now: number): Promise<number>;
  /** The incarnation that the newest HELLO named. */
  currentIncarnation(gatewayId: number): Promise<Uint8Array | undefined>;
  /** Keeps what a HELLO claims. False for one that is not newer than the last of its incarnation: nothing changes. */
  hello(report: HelloReport): Promise<boolean>;
  /**
   * The blocks from the lowest claimed on whose receipts are here, also beyond what is claimed: inclusive ranges, at
   * most 4096 for each stream, the highest among them.
   */
  held(incarnationId: number, claims: Record<string, Claim>): Promise<Record<string, [number, number][]>>;
  /** A setting of this cloud as a whole. */
  setting(name: string): Promise<string | undefined>;
  setSetting(name: string, value: string): Promise<void>;
}

/** A ticket, and the process of the gateway that it was handed to, or that showed it first. */
export interface HeldTicket {
  ticket: Ticket;
  session: number;
}

/** The tickets of one incarnation of a gateway. */
export interface TicketState {
  /** The newest that was shown; absent: nobody has shown one yet. */
  shown?: HeldTicket;
  /** Handed out since; an answer may be lost, so there may be several. */
  given: readonly HeldTicket[];
  /** Handed out together with the one that was shown, with higher numbers: whoever has one of these is a copy. */
  passed: readonly HeldTicket[];
}

/** Who may write under an incarnation: merge/tickets decides. */
export interface Tickets {
  /** Decides about the tickets of an incarnation and keeps what comes of it; nobody else decides about the same ones meanwhile. */
  exchangeTicket<T extends { state?: TicketState | undefined }>(
    incarnationId: number,
    decide: (held: TicketState | undefined) => T,
  ): Promise<T>;
}

/** Lowest block that waits at the gateway and highest it ever sealed. */
export interface Claim {
  lowest: number;
  sealed: number;
}

export interface HelloReport {
  gatewayId: number;
  incarnationId: number;
  /** Frame number of the HELLO. */
  number: number;
  software: string;
  streams: Record<string, Claim>;
  now: number;
}

/** Streams that one incarnation may have; a stranger stream beyond that is refused with `bad-record`. */
export const MAX_STREAMS = 256;
/** Poisonous blocks and forks that are kept for each gateway; more are refused and counted. */
export const MAX_SET_ASIDE = 1000;
/** Declared gaps that are kept for each gateway; a gateway keeps at most 10,000 apart itself. */
export const MAX_STORED_GAPS = 50_000;

/**
 * From this resolution on, seconds, parts stand in ordinary columns as well. Finer ones are many: a month of a thousand
 * series has 43 million minutes, and 750,000 hours and days.
 */
export const FIGURES_FROM_S = 3600;

export interface MergeOutcome {
  /** Parts, catalogue lines, alerts, gaps that were not there before. */
  inserted: number;
  /** Already there, byte for byte. */
  duplicates: number;
  /** The same key with other bytes: the first stays, the other is set aside in `forks`. */
  forks: number;
}

/** What stands under the number of a block. */
export interface Settled {
  as: 'receipt' | 'poison';
  /** SHA-256 of the block's body. */
  digest: Uint8Array;
}

/** SHA-256 of no bytes: a block from which everything was taken, or that its gateway lost. It says nothing. */
export const EMPTY_DIGEST = Uint8Array.from(
  Buffer.from('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'hex'),
);

export interface Merging {
  /** Blocks of a stream that were committed or set aside, by number. */
  settled(incarnationId: number, stream: string, numbers: readonly number[]): Promise<Map<number, Settled>>;
  /** Whether any of these is not there byte for byte. A line of the catalogue counts as there once a later block named its series. */
  lacks(records: readonly (PartRecord | CatalogueRecord)[]): Promise<boolean>;
  /** Joins all records in one transaction, by union: order and repetition change nothing. */
  merge(records: readonly MergeRecord[], now: number): Promise<MergeOutcome>;
}

/** What a gateway claims to have become of readings (docs/accounting.md). */
export interface ClaimReport {
  incarnationId: number;
  claim: WireClaim;
  /** Number of the frame that brought it. */
  frame: number;
  now: number;
}

export interface Accounting {
  /** Compares a claim with what is here, and keeps both; one that was played again is compared and not kept. */
  compare(report: ClaimReport): Promise<ClaimVerdict>;
}

export interface ClaimedFacts {
  name: string;
  /** As on the wire (sync/messages). */
  claimed: number[];
  /** Readings in the parts that were here when it was compared. */
  held: number;
  agrees: boolean;
}

export interface ClaimFacts {
  stream: string;
  checkedAt: number;
  series: ClaimedFacts[];
  /** Series that no grant allowed the gateway to speak of. */
  unsaid: number;
}

export interface StoredDocument {
  key: string;
  value: unknown;
  stamp: Stamp;
  applied: boolean;
}

/** Documents for gateways: last writer wins by stamp. */
export interface StateStore {
  /** Puts a document; `stampAfter` gets the newest stamp ever seen here. `too-many` beyond `MAX_DOCUMENTS`. */
  putDocument(
    gatewayId: number,
    key: string,
    value: unknown,
    stampAfter: (newest: Stamp | undefined) => Stamp,
  ): Promise<StoredDocument>;
  documents(gatewayId: number): Promise<StoredDocument[]>;
  /** Keeps which versions are in force at the gateway, and learns how far clocks elsewhere have gone. True when a mark changed. */
  markApplied(gatewayId: number, applied: Record<string, Stamp>): Promise<boolean>;
}

/** Documents of one gateway. */
export const MAX_DOCUMENTS = 1024;

export interface GatewayFacts {
  id: number;
  tenant: string;
  name: string;
  lastSeen: number | null;
  enrolledAt: number;
  incarnation: Uint8Array | null;
  software: string | null;
  series: number;
  parts: number;
  blocksMissing: number;
  openAlerts: number;
  forks: number;
  /** Declared gaps. */
  gaps: number;
}

export interface SeriesFacts {
  name: string;
  kind: 'number' | 'boolean' | 'string';
  unit: string | null;
  sensor: string | null;
  sensorSince: number | null;
  retired: number | null;
  /** Names under which it was known before, newest first; what came under them is part of it. */
  earlier: string[];
  resolutions: number[];
  firstWindow: number | null;
  lastWindow: number | null;
  last: { time: number; value: number | string } | null;
}

export interface WindowQuery {
  gatewayId: number;
  series: string;
  purpose: string;
  resolution: number;
  /** Window starts: from <= start < to; a coarser window that stands in may begin before. */
  from: number;
  to: number;
  /** Windows, not parts. */
  limit: number;
}

export interface WindowParts {
  windowStart: number;
  /** Seconds: the length asked for, or that of a coarser window that stands in for finer ones which are not all here. */
  resolution: number;
  /** False while the gateway still gathers it, and finer ones say what there is so far. */
  whole: boolean;
  /** Canonical encodings, ordered by incarnation and part. */
  summaries: readonly Uint8Array[];
}

export interface AlertFacts {
  tenant: string;
  gateway: string;
  alert: Alert;
  committedAt: number;
  cursor: number;
}

export interface ForkFacts {
  kind: 'part' | 'alert' | 'block';
  key: string;
  seenAt: number;
}

export interface PoisonFacts {
  stream: string;
  number: number;
  reason: string;
  seenAt: number;
}

export interface GapFacts {
  at: number;
  cause: WireGap['cause'];
  what: WireGap['what'];
  stream: string | null;
  coarsest: number | null;
  /** Null when the gateway may not say it. */
  count: number | null;
  timeFrom: number;
  timeTo: number;
  blocks: [number, number][];
  /** Of these blocks so many had arrived all the same. */
  blocksHere: number;
  /** Names; null when the gateway may not say them. */
  series: string[] | 'all' | null;
}

export interface StoreReads {
  gateways(): Promise<GatewayFacts[]>;
  /** Named series of a gateway over all its incarnations, in order of name. */
  series(gatewayId: number, purpose: string): Promise<SeriesFacts[]>;
  hasSeries(gatewayId: number, name: string): Promise<boolean>;
  /** Windows ascending, coarser ones where finer ones are not all here; `next` is the start of the first window left out. */
  windows(query: WindowQuery): Promise<{ windows: WindowParts[]; next: number | null }>;
  /** Newest revision of each alert: after a cursor in order of commit, without one newest first. */
  alerts(query: { since?: number; gatewayId?: number; limit: number }): Promise<AlertFacts[]>;
  /** Highest cursor given out so far, 0 when none. */
  alertCursor(): Promise<number>;
  forks(gatewayId: number): Promise<ForkFacts[]>;
  poison(gatewayId: number): Promise<PoisonFacts[]>;
  /** Declared gaps, newest first. */
  gaps(gatewayId: number, limit: number): Promise<GapFacts[]>;
  /** The newest claims of the gateway's present incarnation, by stream and number of series. */
  claims(gatewayId: number): Promise<ClaimFacts[]>;
}
