import { reasonOf, type Clock } from '@tidegate/nodes/node';
import { decodeBody, event, type FrameCodec } from '@tidegate/nodes/sync';

import type { ChangeEvent } from '../api/contract.ts';
import { labelOf } from '../gateway-label.ts';
import type { Store } from '../store/store.ts';
import { AlertLane } from './alert-lane.ts';
import { BulkLane } from './bulk-lane.ts';
import { ClaimLane } from './claim-lane.ts';
import { GapLane } from './gap-lane.ts';
import { Greeter } from './greeter.ts';
import type { Arrival, Intake } from './intake.ts';
import { Opener, isRefusal, type SentFrame } from './opener.ts';
import type { Refusals } from './refusals.ts';
import type { Recipient, Replies } from './replies.ts';

/** Urgent frames that are taken at once. */
const URGENT_FRAMES = 64;
/** Gateways whose frames did not fit are told this often. */
const TELL_EVERY_MS = 1_000;
/** Characters of a reason in a NACK. */
const MAX_REASON = 1_000;

export interface MergerParts {
  store: Store;
  codec: FrameCodec;
  clock: Clock;
  intake: Intake;
  replies: Replies;
  refusals: Refusals;
  /** Called after the commit that it tells of. */
  changed: (kind: ChangeEvent['kind'], gateway: string) => void;
}

/**
 * Takes frames from the intake into the store, a transaction at a time, and acknowledges what is committed. Holds
 * nothing that a second merger beside it would have to know.
 */
export class Merger {
  private readonly parts: MergerParts;
  private readonly opener: Opener;
  private readonly greeter: Greeter;
  private readonly alerts: AlertLane;
  private readonly bulk: BulkLane;
  private readonly gaps: GapLane;
  private readonly claims: ClaimLane;
  private tellAt = Number.NEGATIVE_INFINITY;

  constructor(parts: MergerParts) {
    const { store, codec, clock, refusals, replies } = parts;
    this.parts = parts;
    this.opener = new Opener(store, codec, clock, refusals);
    this.greeter = new Greeter(store, codec, clock, replies, this.opener);
    this.alerts = new AlertLane(parts, this.opener);
    this.bulk = new BulkLane(parts, this.opener);
    this.gaps = new GapLane(parts, this.opener);
    this.claims = new ClaimLane(parts, (incarnationId) => this.bulk.halfway(incarnationId));
  }

  /**
   * Does what is most urgent: of bulk, at most opens a frame or commits one transaction. False when there was nothing to do. Rejects with
   * `store-unavailable`; what it had taken by then is dropped unacknowledged, and its senders are told to send it again.
   */
  async step(): Promise<boolean> {
    this.opener.takeNoted();
    try {
      await this.tellTurnedAway();
      return await this.work();
    } catch (error) {
      for (const sender of this.opener.takeNoted())
        this.putOff(sender, `the cloud cannot store it now: ${reasonOf(error)}`);
      throw error;
    }
  }

  private async work(): Promise<boolean> {
    const urgent = this.parts.intake.takeUrgent(URGENT_FRAMES);
    if (urgent.length === 0) return this.bulk.step();
    if (urgent[0].address.type === 'alert') await this.alerts.merge(urgent);
    else for (const arrival of urgent) await this.control(arrival);
    return true;
  }

  /** Sends a gateway the documents that it has not confirmed. */
  sendDocuments(gatewayId: number): Promise<void> {
    return this.greeter.sendDocuments(gatewayId);
  }

  /** Frames that did not fit were not even opened: whom they seem to be from is asked to wait, which costs it nothing else. */
  private async tellTurnedAway(): Promise<void> {
    const { intake, clock, store } = this.parts;
    if (!intake.isTurningAway || clock.monotonic() < this.tellAt) return;
    this.tellAt = clock.monotonic() + TELL_EVERY_MS;
    for (const { tenant, gateway: name } of intake.takeTurnedAway()) {
      const gateway = await store.gateway(tenant, name);
      const incarnation = gateway === undefined ? undefined : await store.currentIncarnation(gateway.id);
      if (gateway === undefined || incarnation === undefined) continue;
      const { agree: agreeKey } = gateway.keys;
      this.putOff({ tenant, name, label: labelOf(gateway), agreeKey, incarnation }, 'too much waits to be stored');
    }
  }

  private putOff(to: Recipient & { label: string }, reason: string): void {
    this.parts.replies.refuse(to, { code: 'retry', reason: reason.slice(0, MAX_REASON) });
    this.parts.refusals.count(to.label, 'retry', reason);
  }

  private async control(arrival: Arrival): Promise<void> {
    if (arrival.address.type === 'hello') return this.hello(arrival);
    const opened = await this.opener.open(arrival);
    if (opened === undefined) return;
    try {
      if (arrival.address.type === 'event') return await this.event(opened);
      if (await this.greeter.applied(opened)) this.parts.changed('state', opened.sender.label);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.parts.refusals.failed(opened.sender.label, error);
    }
  }

  private async event(opened: SentFrame): Promise<void> {
    const said = this.opener.read(opened.sender, () => decodeBody(event, opened.body));
    if (said === undefined) return;
    await this.gaps.merge(opened, said.gaps);
    if (said.claim !== undefined) await this.claims.compare(opened, said.claim);
  }

  private async hello(arrival: Arrival): Promise<void> {
    const { store, refusals, changed } = this.parts;
    try {
      changed('gateways', (await this.greeter.hello(arrival)).label);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const { tenant, gateway: name } = arrival.address;
      const known = await store.gateway(tenant, name);
      refusals.failed(known === undefined ? undefined : labelOf(known), error);
    }
  }
}
