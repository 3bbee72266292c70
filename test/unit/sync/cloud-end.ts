import { createHash } from 'node:crypto';
import { decodeBlock } from '@tidegate/nodes/summary';
import { ACCOUNT_COLUMNS } from '@tidegate/nodes/vault';
import type { Clock } from '@tidegate/nodes/node';
import {
  FrameCodec,
  FrameError,
  SCHEMA_VERSION,
  ack,
  alerts,
  blocks,
  decodeBody,
  encodeBody,
  event,
  hello,
  makeIdentity,
  makeToken,
  encodeToken,
  nack,
  parseTopic,
  proofHolds,
  publicKeys,
  rangesOf,
  stateDown,
  stateUp,
  tokenVerifier,
  topicOf,
  welcome,
  type Address,
  type Blocks,
  type Claim,
  type ClaimVerdict,
  type FrameType,
  type Hello,
  type Identity,
  type Nack,
  type PeerKeys,
  type Stamp,
  type Ticket,
  type Verdict,
  type WireGap,
} from '@tidegate/nodes/sync';

export interface SentFrame {
  topic: string;
  frame: Uint8Array;
}

/**
 * The other end of the protocol, small and real: it checks tokens, opens frames, keeps what is in them, and answers. Its
 * database is what it holds in `blocks` and `alerts`.
 */
export class CloudEnd {
  readonly identity: Identity = makeIdentity();
  readonly token: string;
  /** Bodies in hexadecimal by `stream number`; of earlier incarnations by `incarnation/stream number`. */
  readonly blocks = new Map<string, string>();
  /** `id/revision` in the order in which they came. */
  readonly alerts: string[] = [];
  /** Streams and numbers in the order in which they came, live or fill. */
  readonly order: { type: FrameType; stream: string; number: number }[] = [];
  readonly hellos: Hello[] = [];
  /** The widest of each kind by what it begins with. */
  readonly gaps = new Map<number, WireGap>();
  gapFrames = 0;
  /** Claims about what was delivered. */
  claims = 0;
  /** As a cloud of an older version, which knows no gaps and no claims. */
  takesGaps = true;
  applied: Record<string, Stamp> = {};
  duplicates = 0;
  /** A number that came with other bytes than before. */
  forks = 0;
  keys: PeerKeys | undefined;
  /** Blocks that are refused, by `stream number`. */
  readonly unreadable = new Set<string>();
  refuseWith: Nack | undefined;
  credits = 262_144;
  /** Of the backlogs of those that come. */
  fillAfterMs = 0;
  /** Handed out so far. */
  tickets = 0;
  /** Questions about blocks of earlier incarnations, and whether they are answered: an older cloud does not. */
  questions = 0;
  answers = true;
  /** Of the frame under way, and of the newest HELLO. */
  private incarnation: Uint8Array = new Uint8Array(16);
  private current: Uint8Array = new Uint8Array(16);
  private readonly codec: FrameCodec;
  private readonly clock: Clock;
  private readonly verifier: Uint8Array;
  private readonly tokenId: string;

  constructor(clock: Clock, broker?: string) {
    this.clock = clock;
    this.codec = new FrameCodec(this.identity, clock);
    const place = { tenant: 'plant', gateway: 'north', cloudKeys: publicKeys(this.identity) };
    const token = makeToken(broker === undefined ? place : { ...place, broker });
    this.token = encodeToken(token);
    this.tokenId = token.id;
    this.verifier = tokenVerifier(token.secret);
  }

  /** Takes a frame and gives the answers to it. */
  receive(topic: string, frame: Uint8Array): SentFrame[] {
    const address = parseTopic(topic);
    if (address === undefined || address.direction !== 'up') throw new Error(`a frame on ${topic}`);
    const { header, body } = this.codec.open(address, frame, (header) => {
      const keys = header.keys ?? this.keys;
      if (keys === undefined) throw new FrameError('unknown', 'not enrolled');
      return keys;
    });
    this.incarnation = header.incarnation;
    if (this.refuseWith !== undefined) {
      this.keys ??= header.keys;
      const about = address.type === 'hello' ? { answers: decodeBody(hello, body).id } : {};
      return [this.send('nack', encodeBody(nack, { ...this.refuseWith, ...about }))];
    }
    if (address.type === 'hello') this.current = header.incarnation;
    if (address.type === 'hello') return this.welcome(address, decodeBody(hello, body), header.keys);
    if (address.type === 'state') this.applied = { ...this.applied, ...decodeBody(stateUp, body).applied };
    if (address.type === 'event') return this.takeGaps(body);
    if (address.type === 'alert') return this.takeAlerts(body);
    if (address.type === 'live' || address.type === 'fill') return this.takeBlocks(address.type, header.stream!, body);
    return [];
  }

  /** A frame that the cloud sends of its own accord. */
  state(documents: { key: string; value: unknown; stamp: Stamp }[]): SentFrame {
    return this.send('state', encodeBody(stateDown, { documents }));
  }

  numbers(stream: string): number[] {
    return [...this.blocks.keys()]
      .filter((key) => key.startsWith(`${stream} `))
      .map((key) => Number(key.split(' ')[1]))
      .toSorted((a, b) => a - b);
  }

  send(type: FrameType, body: Uint8Array, gateway = 'north'): SentFrame {
    const address: Address = { tenant: 'plant', gateway, direction: 'down', type };
    const { agree } = this.keys!;
    return { topic: topicOf(address), frame: this.codec.seal(address, { incarnation: this.incarnation }, body, agree) };
  }

  private welcome({ tenant, gateway }: Address, message: Hello, keys: PeerKeys | undefined): SentFrame[] {
    this.hellos.push(message);
    if (message.schema !== SCHEMA_VERSION || keys === undefined) throw new Error('a hello without keys');
    if (this.keys === undefined) {
      const { enrol } = message;
      if (enrol?.token !== this.tokenId || !proofHolds(this.verifier, enrol.proof, tenant, gateway, keys))
        throw new FrameError('unknown', 'not enrolled');
      this.keys = keys;
    }
    const streams = Object.fromEntries(
      Object.keys(message.streams).map((stream) => [stream, pairs(this.numbers(stream))]),
    );
    const { credits, fillAfterMs } = this;
    const answer = { time: this.clock.now(), streams, credits, fillAfterMs, answers: message.id };
    const ticket: Ticket = [++this.tickets, new Uint8Array(16)];
    return [this.send('welcome', encodeBody(welcome, { ...answer, ticket }))];
  }

  private placeOf(stream: string): string {
    if (Buffer.compare(this.incarnation, this.current) === 0) return stream;
    return `${Buffer.from(this.incarnation).toString('hex')}/${stream}`;
  }

  private answer(place: string, { id, blocks: asked }: NonNullable<Blocks['ask']>): SentFrame[] {
    this.questions++;
    if (!this.answers) return [];
    const verdicts = asked.map(([number, digest]): [number, Verdict] => {
      const there = this.blocks.get(`${place} ${number}`);
      if (this.unreadable.has(`${place} ${number}`)) return [number, 'poison'];
      if (there === undefined) return [number, 'wanted'];
      return [number, sha256(there).equals(digest) ? 'held' : 'other'];
    });
    return [this.send('ack', encodeBody(ack, { streams: {}, alerts: [], answer: { id, blocks: verdicts } }))];
  }

  private takeGaps(body: Uint8Array): SentFrame[] {
    const { gaps: taken, claim } = decodeBody(event, body);
    if (claim !== undefined) return this.takesGaps ? this.compare(claim) : [];
    this.gapFrames++;
    if (!this.takesGaps) return [];
    for (const gap of taken) {
      const known = this.gaps.get(gap.id);
      if (known === undefined || known.last < gap.last) this.gaps.set(gap.id, gap);
    }
    const gaps = taken.map(({ id, last }): [number, number] => [id, last]);
    return [this.send('ack', encodeBody(ack, { streams: {}, alerts: [], gaps }))];
  }

  private compare({ id, stream, sealed, waiting, series }: Claim): SentFrame[] {
    this.claims++;
    const held = new Map<number, number>();
    let ahead = false;
    for (const number of this.numbers(stream)) {
      ahead ||= number > sealed || waiting.some(([from, to]) => from <= number && number <= to);
      for (const part of decodeBlock(Buffer.from(this.blocks.get(`${stream} ${number}`) ?? '', 'hex')))
        held.set(part.series, (held.get(part.series) ?? 0) + part.summary.count + part.summary.bad);
    }
    const delivered = 1 + ACCOUNT_COLUMNS.indexOf('delivered');
    const found = series.filter((row) => (held.get(row[0]) ?? 0) !== row[delivered]);
    const verdict: ClaimVerdict = {
      id,
      time: this.clock.now(),
      result: ahead ? 'later' : found.length === 0 ? 'equal' : 'differs',
      differing: found.length,
      series: found.map(([number]) => [number, held.get(number) ?? 0]),
    };
    return [this.send('ack', encodeBody(ack, { streams: {}, alerts: [], verdict }))];
  }

  private takeAlerts(body: Uint8Array): SentFrame[] {
    const taken = decodeBody(alerts, body).alerts;
    for (const { id, revision } of taken) {
      const key = `${Number.parseInt(id, 16)}/${revision}`;
      if (this.alerts.includes(key)) this.duplicates++;
      else this.alerts.push(key);
    }
    const acknowledged = taken.map(({ id, revision }): [string, number] => [id, revision]);
    return [this.send('ack', encodeBody(ack, { streams: {}, alerts: acknowledged }))];
  }

  private takeBlocks(type: FrameType, stream: string, body: Uint8Array): SentFrame[] {
    const taken: number[] = [];
    const refused: number[] = [];
    const { blocks: carried, ask } = decodeBody(blocks, body);
    if (ask !== undefined) return this.answer(this.placeOf(stream), ask);
    for (const { number, body: block } of carried) {
      const key = `${this.placeOf(stream)} ${number}`;
      const bytes = Buffer.from(block).toString('hex');
      if (this.unreadable.has(key)) {
        refused.push(number);
        continue;
      }
      const before = this.blocks.get(key);
      if (before === undefined) this.order.push({ type, stream: this.placeOf(stream), number });
      else if (before === bytes) this.duplicates++;
      else this.forks++;
      this.blocks.set(key, bytes);
      taken.push(number);
    }
    const answers: SentFrame[] = [];
    if (taken.length > 0)
      answers.push(this.send('ack', encodeBody(ack, { streams: { [stream]: pairs(taken) }, alerts: [] })));
    if (refused.length > 0) {
      const poison = {
        code: 'poison',
        reason: 'cannot be read',
        stream,
        blocks: pairs(refused),
      } as const;
      answers.push(this.send('nack', encodeBody(nack, poison)));
    }
    return answers;
  }
}

function sha256(hex: string): Buffer {
  return createHash('sha256').update(Buffer.from(hex, 'hex')).digest();
}

function pairs(numbers: number[]): [from: number, to: number][] {
  return rangesOf(numbers).map(([from, to]) => [from, to]);
}
