import type { Clock } from '../node/clock.ts';
import type { SharedState } from '../state/shared-state.ts';
import { renewal } from '../vault/renewal.ts';
import type { Change, StreamBacklog, Vault } from '../vault/vault.ts';
import { putEnrolment, withoutSecret, type Enrolment } from './enrolment-store.ts';
import { Handshake } from './handshake.ts';
import { helloBody, lostNames, sealedBeyond } from './hello.ts';
import { CATALOGUE_STREAM, type FrameType, type Ticket, type Welcome } from './messages.ts';
import { ownStreams } from './outbox-view.ts';
import type { Outgoing } from './outgoing.ts';
import { loadTicket, putTicket } from './ticket-store.ts';

export interface GreetingParts {
  vault: Vault;
  outgoing: Outgoing;
  state: SharedState;
  enrolment: Enrolment;
  clock: Clock;
  /** Numbers in 0..1, for jitter. */
  random: () => number;
  /** Told of the cloud's time at each welcome, epoch milliseconds: evidence for the gateway's own clock. */
  cloudTime?: (time: number) => void;
}

/** HELLOs whose answers are known as our own. */
const REMEMBERED = 32;
/** Between two tellings of all names, doubled each time. */
const NAMES_PAUSE_MS = 30_000;
const LONGEST_NAMES_PAUSE_MS = 86_400_000;

/** HELLO and WELCOME: who this gateway is, what both ends hold, and from when on it may send. */
export class Greeting {
  readonly handshake: Handshake;
  private readonly parts: GreetingParts;
  private enrolment: Enrolment;
  /** The cloud's time less our monotonic time, once it is known. */
  private cloudOffset = -Infinity;
  /** First block of the newest telling of all names: with those from here on a cloud knows them. */
  private namesFrom = 1;
  private namesAgainAt = -Infinity;
  private namesPauseMs = NAMES_PAUSE_MS;
  /** Names this process to the cloud: a copy of the vault runs in another one. */
  private readonly session: number;
  /** Ids of the newest HELLOs, the last one at the end. */
  private asked: readonly number[] = [];
  /** Read from the vault for the first HELLO. */
  private ticket: { newest: Ticket | undefined } | undefined;

  constructor(parts: GreetingParts) {
    this.parts = parts;
    this.enrolment = parts.enrolment;
    this.session = newId(parts.random);
    this.handshake = new Handshake(parts.clock, parts.random);
  }

  /** The cloud knows this gateway's keys once it has welcomed it, now or before; blocks wait until it says what it holds. */
  maySend(type: FrameType): boolean {
    if (type === 'hello') return true;
    const { halted, welcomed } = this.handshake;
    if (halted !== undefined) return false;
    return welcomed || (type === 'alert' && this.enrolment.tokenSecret === undefined);
  }

  /** The body of a HELLO about what is here now. */
  async hello(): Promise<Uint8Array> {
    const { vault, state, random } = this.parts;
    this.ticket ??= { newest: await loadTicket(vault) };
    const { session, ticket } = this;
    const id = newId(random);
    this.asked = [...this.asked, id].slice(-REMEMBERED);
    const writer = { id, session, ...(ticket.newest === undefined ? {} : { ticket: ticket.newest }) };
    return helloBody(this.enrolment, await ownStreams(vault), state.stamps(), this.namesFrom, writer);
  }

  /** Whether this very process asked: what is said to another copy of this gateway says nothing of what is held of ours. */
  isOurs(answers: number | undefined): boolean {
    return answers !== undefined && this.asked.includes(answers);
  }

  /** Why this vault must not go on after what WELCOME says, or what waits here. From now on the secret of the token is forgotten. */
  async judge({ streams, ticket }: Welcome): Promise<{ ahead: string } | { backlog: readonly StreamBacklog[] }> {
    const { vault } = this.parts;
    const backlog = await ownStreams(vault);
    const ahead = sealedBeyond(streams, backlog);
    if (ahead !== undefined) return { ahead };
    const enrolment = this.enrolment.tokenSecret === undefined ? this.enrolment : withoutSecret(this.enrolment);
    const changes: Change[] = enrolment === this.enrolment ? [] : [putEnrolment(enrolment)];
    // On the disk before the first block goes: whoever copies this vault from now on copies the ticket, too.
    const newer = ticket !== undefined && ticket[0] > (this.ticket?.newest?.[0] ?? 0) ? ticket : undefined;
    if (newer !== undefined) changes.push(putTicket(vault, newer));
    if (changes.length > 0) await vault.commit(changes);
    this.enrolment = enrolment;
    if (newer !== undefined) this.ticket = { newest: newer };
    return { backlog };
  }

  /** Somebody else writes under this incarnation: from the next start on this vault goes on under another one. */
  async giveWay(): Promise<void> {
    await this.parts.vault.commit([renewal(this.parts.vault)]);
  }

  /** WELCOME is taken. True when a session begins with it, false when it answers a heartbeat. */
  welcomed({ time }: Welcome): boolean {
    const { clock, cloudTime } = this.parts;
    this.cloudOffset = time - clock.monotonic();
    cloudTime?.(time);
    return this.handshake.answered();
  }

  /** Tells all names once more when the cloud has lost some; ever more seldom, for they may be lost on it for another reason. */
  async repeatNames({ streams }: Welcome, backlog: readonly StreamBacklog[]): Promise<void> {
    const { clock, outgoing } = this.parts;
    if (clock.monotonic() < this.namesAgainAt || !lostNames(streams, backlog, this.namesFrom)) return;
    this.namesAgainAt = clock.monotonic() + this.namesPauseMs;
    this.namesPauseMs = Math.min(LONGEST_NAMES_PAUSE_MS, this.namesPauseMs * 2);
    await outgoing.announceAgain();
    this.namesFrom = (backlog.find(({ stream }) => stream === CATALOGUE_STREAM)?.sealed ?? 0) + 1;
  }

  /** A wrong clock at the gateway must not refuse what the cloud writes. */
  bestTime(): number {
    const { clock } = this.parts;
    return Math.max(clock.now(), clock.monotonic() + this.cloudOffset);
  }
}

const newId = (random: () => number): number => Math.floor(random() * 2 ** 48);
