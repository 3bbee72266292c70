import { randomBytes } from 'node:crypto';

import { TideError, type Clock } from '@tidegate/nodes/node';
import { MAX_DRIFT_MS, compareStamps } from '@tidegate/nodes/state';
import {
  FrameError,
  OLDEST_SCHEMA,
  SCHEMA_VERSION,
  clipRanges,
  decodeBody,
  hello,
  helloVersion,
  proofHolds,
  stateUp,
  type FrameCodec,
  type Hello,
  type Nack,
  type OpenedFrame,
  type PeerKeys,
  type Stamp,
  type Ticket,
  type Welcome,
} from '@tidegate/nodes/sync';

import { MAX_STREAMS, type GatewayIdentity, type Store, type StoredDocument } from '../store/store.ts';
import { FillTurns } from './fill-turns.ts';
import type { Arrival } from './intake.ts';
import type { Opener, Sender, SentFrame } from './opener.ts';
import type { Recipient, Replies } from './replies.ts';
import { judge } from './tickets.ts';

/** Bytes of unacknowledged frames that a gateway may have under way. */
const CREDITS = 1 << 20;

const UNKNOWN_GATEWAY =
  'this cloud does not know the gateway or its keys; enrol it with a token from "tidegate-cloud enroll NAME"';

/** The start of a session: who a gateway is, what both ends hold, which documents it lacks. */
export class Greeter {
  private readonly store: Store;
  private readonly codec: FrameCodec;
  private readonly clock: Clock;
  private readonly replies: Replies;
  private readonly opener: Opener;
  private readonly turns: FillTurns;

  constructor(store: Store, codec: FrameCodec, clock: Clock, replies: Replies, opener: Opener) {
    this.store = store;
    this.codec = codec;
    this.clock = clock;
    this.replies = replies;
    this.opener = opener;
    this.turns = new FillTurns(clock);
  }

  /** Answers a HELLO. Returns who said it; throws a FrameError (and has answered with a NACK where that can be believed). */
  async hello({ address, bytes }: Arrival): Promise<Sender> {
    const { tenant, gateway: name } = address;
    const known = await this.store.gateway(tenant, name);
    const shown: { keys?: PeerKeys } = {};
    const opened = this.codec.open(address, bytes, (header) => {
      shown.keys = header.keys ?? known?.keys;
      if (shown.keys === undefined) throw new FrameError('unknown', UNKNOWN_GATEWAY);
      return shown.keys;
    });
    const keys = shown.keys!;
    const recipient = { tenant, name, agreeKey: keys.agree, incarnation: opened.header.incarnation };
    const itself = known !== undefined && sameKeys(known.keys, keys) ? known : undefined;
    const body = this.read(opened, recipient, itself !== undefined);
    const gateway = itself ?? (await this.enrol(body, recipient, keys));
    const sender = await this.opener.sender(gateway, opened);
    await this.welcome(sender, opened.header.number, body);
    return sender;
  }

  /** Takes note of the documents that a gateway says are in force there. True when that was news. */
  async applied({ sender, body }: SentFrame): Promise<boolean> {
    const { applied } = decodeBody(stateUp, body);
    return this.noteApplied(sender.gatewayId, await this.store.documents(sender.gatewayId), applied);
  }

  /** Sends a gateway the documents that it has not confirmed; nothing to one that was never here, its HELLO will ask. */
  async sendDocuments(gatewayId: number): Promise<void> {
    const gateway = await this.store.gatewayById(gatewayId);
    const incarnation = await this.store.currentIncarnation(gatewayId);
    if (gateway === undefined || incarnation === undefined) return;
    const { tenant, name, keys } = gateway;
    const waiting = (await this.store.documents(gatewayId)).filter(({ applied }) => !applied);
    this.replies.documents({ tenant, name, agreeKey: keys.agree, incarnation }, waiting);
  }

  private read(opened: OpenedFrame, recipient: Recipient, isEnrolled: boolean): Hello {
    // The version alone first: the rest of a HELLO may look different in another one.
    const { schema } = decodeBody(helloVersion, opened.body);
    if (schema > SCHEMA_VERSION || schema < OLDEST_SCHEMA) {
      const reason = `the gateway writes schema ${schema}, this cloud reads ${rangeText(OLDEST_SCHEMA, SCHEMA_VERSION)}`;
      const nack: Nack = { code: 'upgrade', reason, schemas: [OLDEST_SCHEMA, SCHEMA_VERSION] };
      if (isEnrolled) this.replies.refuse(recipient, nack);
      else this.replies.refuseStranger(recipient, nack);
      throw new FrameError('upgrade', reason);
    }
    const body = decodeBody(hello, opened.body);
    const streams = Object.keys(body.streams).length;
    if (streams > MAX_STREAMS)
      throw new FrameError('malformed', `HELLO names ${streams} streams, at most ${MAX_STREAMS} are allowed`);
    return body;
  }

  private async enrol({ enrol, id }: Hello, recipient: Recipient, keys: PeerKeys): Promise<GatewayIdentity> {
    const { tenant, name } = recipient;
    const refused = (reason: string): FrameError => {
      const nack: Nack = { code: 'unknown', reason, answers: id };
      this.replies.refuseStranger(recipient, nack);
      return new FrameError('unknown', reason);
    };
    if (enrol === undefined) throw refused(UNKNOWN_GATEWAY);
    const token = await this.store.token(enrol.token);
    if (token === undefined) throw refused('this cloud did not make the enrolment token, or it has forgotten it');
    if (token.tenant !== tenant || token.gateway !== name)
      throw refused('the enrolment token was made for a gateway of another name');
    if (!proofHolds(token.verifier, enrol.proof, tenant, name, keys))
      throw refused('the proof does not fit the enrolment token and the keys');
    if ((await this.store.enrol(token.id, keys, this.clock.now())) === 'used')
      throw refused('the enrolment token has been used; make a new one with "tidegate-cloud enroll NAME"');
    const gateway = await this.store.gateway(tenant, name);
    if (gateway === undefined) throw new TideError('store-unavailable', `gateway ${name} vanished while it enrolled`);
    return gateway;
  }

  /** The next ticket for the one writer of its incarnation; anyone else is refused, and the error is thrown on. */
  private async admit(sender: Sender, { id, session, ticket }: Hello): Promise<Ticket | undefined> {
    const shown = ticket === undefined ? { session } : { session, ticket };
    const judgement = await this.store.exchangeTicket(sender.incarnationId, (held) => judge(held, shown, nonce));
    if (!judgement.fenced) return judgement.ticket;
    const reason = `its ticket ${ticket === undefined ? 'is missing' : `${ticket[0]} is old`}, a copy of it has shown a newer one`;
    this.replies.refuse(sender, { code: 'fenced', reason, answers: id });
    throw new FrameError('fenced', `a HELLO of another copy of this gateway: ${reason}`);
  }

  private async welcome(sender: Sender, number: number, body: Hello): Promise<void> {
    const { streams, software, state, id } = body;
    const { gatewayId, incarnationId } = sender;
    const now = this.clock.now();
    const ticket = await this.admit(sender, body);
    // One that was recorded and is played again is answered, which harms nobody, but tells nothing new. The same goes
    // for a gateway that started before it knew the time; what it sends is merged all the same.
    const fresh = await this.store.hello({ gatewayId, incarnationId, number, software, streams, now });
    const held = await this.store.held(incarnationId, streams);
    const fillAfterMs = this.turns.waitOf(gatewayId, backlogOf(streams, held));
    this.replies.welcome(sender, {
      time: now,
      streams: held,
      credits: CREDITS,
      ...(fillAfterMs === 0 ? {} : { fillAfterMs }),
      answers: id,
      ...(ticket === undefined ? {} : { ticket }),
    });
    const documents = await this.store.documents(gatewayId);
    // Which version was in force stays true whenever it is said, also by a gateway whose clock went back.
    await this.noteApplied(gatewayId, documents, state);
    if (!fresh) await this.store.merge(this.opener.signsOfLife([sender]), now);
    this.replies.documents(sender, documents.filter(lackingAt(state)));
  }

  private async noteApplied(
    gatewayId: number,
    documents: readonly StoredDocument[],
    applied: Record<string, Stamp>,
  ): Promise<boolean> {
    const latest = this.clock.now() + MAX_DRIFT_MS;
    let newest: [string, Stamp] | undefined;
    for (const [key, stamp] of Object.entries(applied)) {
      // A stamp from the far future would push every later one here into it.
      if (stamp.wall > latest) continue;
      if (newest === undefined || compareStamps(stamp, newest[1]) > 0) newest = [key, stamp];
    }
    const marks = documents
      .filter(({ key, stamp }) => Object.hasOwn(applied, key) && compareStamps(applied[key], stamp) === 0)
      .map(({ key, stamp }): [string, Stamp] => [key, stamp]);
    if (newest !== undefined) marks.push(newest);
    return marks.length > 0 && this.store.markApplied(gatewayId, Object.fromEntries(marks));
  }
}

const lackingAt =
  (state: Record<string, Stamp>) =>
  ({ key, stamp }: StoredDocument): boolean =>
    !Object.hasOwn(state, key) || compareStamps(stamp, state[key]) > 0;

/** Blocks that a gateway holds and the cloud does not. */
function backlogOf(streams: Hello['streams'], held: Welcome['streams']): number {
  let blocks = 0;
  for (const [stream, { lowest, sealed }] of Object.entries(streams)) {
    const here = clipRanges(held[stream] ?? [], lowest, sealed);
    blocks += Math.max(0, sealed - lowest + 1) - here.reduce((sum, [from, to]) => sum + to - from + 1, 0);
  }
  return blocks;
}

const nonce = (): Uint8Array => Uint8Array.from(randomBytes(16));

const rangeText = (oldest: number, newest: number): string =>
  oldest === newest ? `${newest}` : `${oldest} to ${newest}`;

const sameKeys = (a: PeerKeys, b: PeerKeys): boolean =>
  Buffer.compare(a.sign, b.sign) === 0 && Buffer.compare(a.agree, b.agree) === 0;
