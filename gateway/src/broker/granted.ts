import { matchTopic } from '@tidegate/nodes/ingest';

type Qos = 0 | 1 | 2;

/** Subscriptions of one client by topic filter, as aedes keeps them. */
export type Granted = Readonly<Record<string, { qos: Qos } | undefined>>;

/** The highest QoS at which a client's subscriptions let it have a topic's messages (OASIS MQTT 3.1.1, section 3.3.5). */
export function grantedQos(subscriptions: Granted, topic: string): Qos {
  let highest: Qos = 0;
  for (const [filter, subscription] of Object.entries(subscriptions)) {
    if (subscription !== undefined && subscription.qos > highest && matchTopic(filter, topic))
      highest = subscription.qos;
  }
  return highest;
}
