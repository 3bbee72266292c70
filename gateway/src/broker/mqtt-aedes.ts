import type { EventEmitter } from 'node:events';

import type { Aedes, Client, Subscription } from 'aedes';
import mqtt from 'mqtt-packet';

import type { Granted } from './granted.ts';

/**
 * The places where the broker reaches behind what aedes declares (1.2.0, which package.json pins). Where one is not there,
 * what depends on it says so instead of failing quietly.
 */

type Emit = (packet: object, done?: () => void) => unknown;
type On = (topic: string, ...rest: unknown[]) => unknown;

/**
 * Lets a publish be finished when it has been handed to its subscribers, not when they have read it: aedes reads on from a
 * publisher only then, and one subscriber that has fallen asleep would hold up all sensors until its connection is cut.
 * Throws when this aedes has no such emitter.
 */
export function dontWaitForSubscribers(aedes: Aedes): void {
  const { mq } = aedes as unknown as { mq?: { emit?: Emit } };
  if (mq?.emit === undefined) throw new TypeError('this version of aedes has no emitter `mq`');
  const emit = mq.emit.bind(mq);
  mq.emit = (packet, done) => {
    let told = false;
    const tell = (): void => {
      if (told) return;
      told = true;
      done?.();
    };
    emit(packet, tell);
    if (!told) setImmediate(tell);
    return mq;
  };
}

/**
 * Keeps mqtt-packet, which aedes writes with, from making a Buffer for each of the 65,536 packet identifiers: they would take 7 MB
 * for good. Where aedes has an mqtt-packet of its own, nothing changes.
 */
export function dontCacheIdentifiers(): void {
  mqtt.writeToStream.cacheNumbers = false;
}

/** Topics that are remembered to have no subscriber, and the longest one that is: a client may send 64 kB. */
const UNHEARD_TOPICS = 16_384;
const UNHEARD_LENGTH = 256;

/**
 * Lets a publish on a topic to which nobody has subscribed, as that of nearly each sensor, pass the emitter by: it looks for
 * subscribers level by level, for each message again. Where this aedes does not let us, all goes on, slower.
 */
export function passUnheardBy(aedes: Aedes): void {
  const { mq } = aedes as unknown as {
    mq?: { emit?: Emit; on?: On; _matcher?: { match?: (topic: string) => readonly unknown[] } };
  };
  const matcher = mq?._matcher;
  if (mq?.emit === undefined || mq.on === undefined || matcher?.match === undefined) return;
  const [emit, on] = [mq.emit.bind(mq), mq.on.bind(mq)];
  const unheard = new Set<string>();
  mq.on = (...subscribing) => {
    // Who unsubscribes only makes more topics unheard.
    unheard.clear();
    return on(...subscribing);
  };
  mq.emit = (packet, done) => {
    const { topic } = packet as { topic: string };
    if (unheard.has(topic)) return done?.();
    if (topic.length <= UNHEARD_LENGTH && matcher.match!(topic).length === 0) {
      if (unheard.size >= UNHEARD_TOPICS) unheard.clear();
      unheard.add(topic);
    }
    return emit(packet, done);
  };
}

/** A SUBSCRIBE as it comes from the wire, before it is handled. */
export interface Subscribing {
  cmd: string;
  subscriptions?: Subscription[];
}

/** Calls back with each packet of a client before aedes handles it; false when this aedes does not let us. */
export function beforeEachPacket(client: Client, look: (packet: Subscribing) => void): boolean {
  const { _parser: parser } = client as unknown as { _parser?: EventEmitter };
  parser?.prependListener('packet', look);
  return parser !== undefined;
}

/** What a client has subscribed to, by topic filter. */
export function subscriptionsOf(client: Client): Granted {
  return (client as unknown as { subscriptions?: Granted }).subscriptions ?? {};
}
