import type { PayloadFormat } from '../reading/payload.ts';

/** A message as it comes to a door, before anything is known about its content. */
export interface DoorMessage {
  topic: string;
  payload: Uint8Array;
  /** Client that sent it (MQTT client id), or the id of the upstream node. */
  client: string;
  qos: 0 | 1 | 2;
  /** MQTT packet identifier for QoS 1 and 2. */
  packetId?: number;
  /** True for a publish that says it may have been sent before. */
  dup: boolean;
  /** True for a retained message that the broker kept: old news. */
  stale: boolean;
  /** Epoch milliseconds of arrival. */
  received: number;
}

/** What one tide-ingest node wants, known from the flow file before flows start. */
export interface DoorRule {
  /** Topic filters (MQTT 3.1.1, section 4.7). */
  topics: string[];
  format: PayloadFormat;
  /**
   * Template of the series path. `{topic}` is the whole topic, `{topic.1}` its second level, `{metric}` the path of
   * the value within the payload (empty for a bare number, and its separator goes with it).
   */
  series: string;
}
