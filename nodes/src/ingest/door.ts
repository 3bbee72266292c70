import type { Clock } from '../node/clock.ts';
import type { Reading, Rejection } from '../reading/reading.ts';
import type { Vault } from '../vault/vault.ts';
import type { DoorMessage, DoorRule } from './message.ts';

/** Where a door hands over what it has committed. Called in journal order, after the commit. */
export interface DoorSink {
  readings(batch: Reading[], replay: boolean): void;
  rejections(batch: Rejection[]): void;
}

export interface DoorOptions {
  /** A message that is not committed within this time is refused (its client's connection is closed). Milliseconds. */
  commitTimeoutMs: number;
  /** Bytes of uncommitted messages that one client may have waiting. */
  maxBytesPerClient: number;
  /** Largest payload that is read; larger ones are rejected with a reason. Bytes. */
  maxPayloadBytes: number;
}

/**
 * The one way in for readings: message -> readings -> committed -> acknowledged -> into the flow. One door serves one
 * vault; each tide-ingest (and tide-store) node is a rule and a sink of it. Rules outlive redeploys, so that messages
 * are committed and acknowledged while flows stop and start.
 */
export interface Door {
  readonly vault: Vault;
  readonly clock: Clock;
  setRule(id: string, rule: DoorRule): void;
  removeRule(id: string): void;
  /** Whether any rule takes this topic. */
  accepts(topic: string): boolean;
  /** Takes a message for every rule that matches. `done()` after the commit: the moment to acknowledge; `done(error)`: do not. */
  offer(message: DoorMessage, done: (error?: Error) => void): void;
  /** The same for one rule, whatever its topics (a node's own MQTT client, messages from upstream nodes). */
  offerTo(rule: string, message: DoorMessage, done: (error?: Error) => void): void;
  /** Commits ready-made readings for a source (tide-store); resolves to them with positions, without those already committed for `cause`. */
  store(source: string, readings: readonly Reading[], cause?: number): Promise<Reading[]>;
  /** Connects a started node: it first gets what its consumers have not saved (replay), then live batches. Returns the detacher. */
  attach(id: string, sink: DoorSink): () => void;
  /**
   * Calls back when a client has more than `maxBytesPerClient` uncommitted (its socket should pause) and when half of that
   * is free again. A client that goes on to twice as much is refused. Returns the unsubscriber.
   */
  onPressure(listener: PressureListener): () => void;
  stats(): DoorStats;
}

export type PressureListener = (client: string, paused: boolean) => void;

export interface DoorStats {
  messages: number;
  readings: number;
  rejected: number;
  duplicates: number;
  /** Messages refused because a commit took too long or a client had too much waiting. */
  refused: number;
  waitingMessages: number;
  waitingBytes: number;
}
