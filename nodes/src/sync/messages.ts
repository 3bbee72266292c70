/**
 * The bodies of tide protocol frames (docs/protocol.md). One zod schema per body is type and validation in one;
 * every list and string has a bound, because a frame may come from anyone who can reach the broker.
 */
import { z } from 'zod';
import { ACCOUNT_COLUMNS } from '../vault/accounts.ts';
import { gapFields, spansAreRight } from '../vault/gaps.ts';

export const PROTOCOL_VERSION = 1;

/** Version of the schema that a gateway writes; a cloud that does not know it answers NACK `upgrade`. */
export const SCHEMA_VERSION = 1;
/** The oldest one that a cloud of this version reads; to an older gateway it answers NACK `upgrade`, too. */
export const OLDEST_SCHEMA = 1;

const blockNumber = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const time = z.number().min(-8.64e15).max(8.64e15);
const name = z.string().min(1).max(1024);
export const byteString = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected a byte string');

/** Inclusive ranges of block numbers, ascending, not touching. */
export const ranges = z.array(z.tuple([blockNumber, blockNumber])).max(4096);
export const streamName = z.string().regex(/^[a-z0-9][a-z0-9/_-]{0,127}$/);
const streamRanges = z.record(streamName, ranges);

/** Hybrid logical clock stamp: totally ordered by (wall, counter, writer). */
export const stamp = z.object({
  /** Epoch milliseconds. */
  wall: time,
  counter: z.number().int().min(0).max(0xffff_ffff),
  /** Who wrote it: gateway name, or `cloud`. */
  writer: z.string().min(1).max(256),
});
export type Stamp = z.infer<typeof stamp>;

/** Names a HELLO, or the process that says it: random. */
const randomId = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** A rolling ticket: its number, and what tells it from one of that number that a restored cloud hands out again. */
export const ticket = z.tuple([
  z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  byteString.refine((bytes) => bytes.length === 16, 'expected 16 bytes'),
]);
export type Ticket = z.infer<typeof ticket>;

/** up/hello: what the gateway holds. Sent after each connect, until a WELCOME comes. */
export const hello = z.object({
  schema: z.number().int().min(0).max(0xffff),
  software: z.string().max(64),
  /** Registers the gateway's keys (they stand in the frame's header). `proof` is HMAC-SHA256 with the token's secret, see sync/enrolment. */
  enrol: z.object({ token: z.string().max(64), proof: byteString }).optional(),
  /** Names this HELLO: the answer repeats it, since all copies of a gateway hear the same topics. */
  id: randomId,
  /** Names the process that says it. */
  session: randomId,
  /** The newest ticket that the cloud gave this incarnation; absent before the first. There has to be room above it. */
  ticket: ticket.refine(([number]) => number < 2 ** 52, 'a ticket that nobody can have been given').optional(),
  /** For each stream: lowest block waiting and highest block sealed. */
  streams: z.record(streamName, z.object({ lowest: blockNumber, sealed: z.number().int().min(0) })),
  /** Stamps of the shared documents in force here, by key. */
  state: z.record(name, stamp),
});
export type Hello = z.infer<typeof hello>;
/** What a HELLO of every version says. */
export const helloVersion = z.looseObject({ schema: hello.shape.schema });

/** down/welcome: what the cloud holds of the streams that HELLO named. */
export const welcome = z.object({
  /** Server's time, epoch milliseconds. */
  time,
  streams: streamRanges,
  /** Bytes of unacknowledged frames that the gateway may have under way. */
  credits: z.number().int().min(0),
  /** How long what waited is to wait for its turn, when many gateways come back at once, milliseconds; alerts and what is new do not. */
  fillAfterMs: z.number().int().min(0).max(3_600_000).optional(),
  /** The HELLO that this answers. */
  answers: randomId,
  /** To be stored before any block is sent, and shown in the next HELLO; absent: the last one goes on counting. */
  ticket: ticket.optional(),
});
export type Welcome = z.infer<typeof welcome>;

/** up/alert: encoded alerts (detect/alert). */
export const alerts = z.object({
  alerts: z
    .array(
      z.object({
        id: z.string().regex(/^[0-9a-f]{32}$/),
        revision: z.number().int().min(1),
        body: byteString,
      }),
    )
    .max(256),
});
export type Alerts = z.infer<typeof alerts>;

/** Blocks that one question names at most. */
export const MAX_ASKED = 256;
const questionId = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const digest = byteString.refine((bytes) => bytes.length === 32, 'expected a SHA-256');

/**
 * up/live and up/fill: blocks of the stream in the frame's header. `ask` (fill only) asks what the cloud holds under these
 * numbers; `blocks` is empty then. An older cloud does not answer it.
 */
export const blocks = z.object({
  blocks: z.array(z.object({ number: blockNumber, body: byteString })).max(4096),
  ask: z.object({ id: questionId, blocks: z.array(z.tuple([blockNumber, digest])).max(MAX_ASKED) }).optional(),
});
export type Blocks = z.infer<typeof blocks>;

/**
 * up/event: declared gaps (vault/gaps), with what the grants allow to be said of them. `count` is absent when some of the
 * series have no grant: how many readings those gave stays at the gateway, too.
 */
export const wireGap = gapFields
  .extend({ count: gapFields.shape.count.optional() })
  .refine(spansAreRight, 'last is below id, or timeTo before timeFrom');
export type WireGap = z.infer<typeof wireGap>;
export const MAX_GAPS_PER_FRAME = 64;

/** Series that one claim names at most, and ranges of waiting blocks. */
export const MAX_CLAIMED = 512;
export const MAX_CLAIMED_RANGES = 1024;
const seriesNumber = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const readings = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
/** Of a series: its number, the columns of ACCOUNT_COLUMNS, and where its readings go into windows `taken`, `stale` and `open`. */
export const claimedSeries = z
  .array(readings)
  .refine(
    ({ length }) => length === 1 + ACCOUNT_COLUMNS.length || length === 4 + ACCOUNT_COLUMNS.length,
    'expected the number of a series and its counts',
  );
/**
 * up/event: what became of the readings of the series `from` to `to` in one stream. `unsaid` are those of them that the
 * cloud knows and that no grant allows to be spoken of now; of all others that are not named nothing was delivered.
 */
export const claim = z.object({
  id: questionId,
  stream: streamName,
  /** Highest block number given out, and the numbers of the blocks that wait. */
  sealed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  waiting: z.array(z.tuple([blockNumber, blockNumber])).max(MAX_CLAIMED_RANGES),
  from: seriesNumber,
  to: seriesNumber,
  series: z.array(claimedSeries).max(MAX_CLAIMED),
  unsaid: z.array(seriesNumber).max(MAX_CLAIMED),
});
export type Claim = z.infer<typeof claim>;

export const event = z.object({ gaps: z.array(wireGap).max(MAX_GAPS_PER_FRAME), claim: claim.optional() });
export type Event = z.infer<typeof event>;

/**
 * held: these very bytes, or the block was empty. other: other bytes, which stay. poison: it could not read them and has
 * set them aside. wanted: nothing.
 */
export const VERDICTS = ['held', 'other', 'poison', 'wanted'] as const;
export type Verdict = (typeof VERDICTS)[number];

export const MAX_DIFFERING = 256;
/**
 * What the cloud says to a claim. later: it holds blocks that wait at the gateway, or is in the middle of one; ask again.
 * `differing` counts the series that differ, `series` names some of them with what the database holds of each.
 */
export const verdict = z.object({
  id: questionId,
  time,
  result: z.enum(['equal', 'differs', 'later']),
  differing: z.number().int().min(0),
  series: z.array(z.tuple([seriesNumber, readings])).max(MAX_DIFFERING),
});
export type ClaimVerdict = z.infer<typeof verdict>;

/** down/ack: what the cloud's database has committed, computed from receipt rows. */
export const ack = z.object({
  streams: streamRanges,
  alerts: z.array(z.tuple([z.string().max(64), z.number().int()])).max(4096),
  /** Declared gaps, `id` and `last` of each. */
  gaps: z
    .array(z.tuple([blockNumber, blockNumber]))
    .max(4096)
    .optional(),
  /** Of the blocks in `streams`: the database holds these numbers with other bytes, and kept those. */
  conflicts: streamRanges.optional(),
  /** What the database holds under the numbers that the question `id` named. */
  answer: z
    .object({ id: questionId, blocks: z.array(z.tuple([blockNumber, z.enum(VERDICTS)])).max(MAX_ASKED) })
    .optional(),
  verdict: verdict.optional(),
});
export type Ack = z.infer<typeof ack>;

/**
 * down/nack. retry: send again later. poison: the cloud cannot read these blocks and has set them aside; go on.
 * upgrade: the cloud does not read this schema, but those that `schemas` names. fenced: another copy of this gateway writes under the same incarnation.
 * unknown: the cloud does not know this gateway or its keys.
 */
export const nack = z.object({
  code: z.enum(['retry', 'poison', 'upgrade', 'fenced', 'unknown']),
  reason: z.string().max(1024),
  /** The HELLO that is refused, with `fenced` and `unknown`. */
  answers: randomId.optional(),
  stream: streamName.optional(),
  blocks: ranges.optional(),
  /** The oldest and the newest schema that the cloud reads. */
  schemas: z.tuple([hello.shape.schema, hello.shape.schema]).optional(),
});
export type Nack = z.infer<typeof nack>;

/** down/state: documents from the cloud; up/state: the stamps that are now in force at the gateway. */
export const stateDown = z.object({
  documents: z.array(z.object({ key: name, value: z.unknown(), stamp })).max(1024),
});
export type StateDown = z.infer<typeof stateDown>;
export const stateUp = z.object({ applied: z.record(name, stamp) });
export type StateUp = z.infer<typeof stateUp>;

/** A line of the series catalogue; these form the blocks of stream `catalogue`. */
export const catalogueEntry = z.object({
  number: z.number().int().min(1),
  name,
  kind: z.enum(['number', 'boolean', 'string']),
  unit: z.string().max(64).optional(),
  /** What measures it, and since when; since when nothing more is expected of it. Epoch milliseconds. */
  sensor: z.string().max(128).optional(),
  since: z.number().optional(),
  retired: z.number().optional(),
  /** Number of the series that it goes on from. */
  continues: z.number().int().min(1).optional(),
});
export type CatalogueEntry = z.infer<typeof catalogueEntry>;
export const CATALOGUE_STREAM = 'catalogue';

/** The kinds of frames in each direction; the last level of the topic. */
export const UP = ['hello', 'alert', 'live', 'fill', 'state', 'event'] as const;
export const DOWN = ['welcome', 'ack', 'nack', 'state'] as const;
export type FrameType = (typeof UP)[number] | (typeof DOWN)[number];
