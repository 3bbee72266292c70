import type { TlsFiles } from '@tidegate/nodes/node';

import type { RetainedStats } from './retained.ts';

export interface BrokerOptions {
  host: string;
  /** 0 takes a free port. */
  port: number;
  /** Absent: anybody who reaches the port may connect. */
  users?: readonly { name: string; passwordHash: string }[];
  /** A second port, with TLS; with `caFile` only for clients that show a certificate of one of its authorities. */
  tls?: { host: string; port: number; files: TlsFiles & { certFile: string; keyFile: string } };
  /** Largest payload that the door reads, bytes; larger ones are rejected with a reason. */
  payloadBytes: number;
  /** Bytes of one client that may wait for their commit, and bytes that may wait for it to read them. */
  clientBytes: number;
  /** Connections at one time. */
  clients: number;
  /** A retained message that is not committed within this time is refused (its client's connection is closed). Milliseconds. */
  commitTimeoutMs?: number;
  log: (line: string) => void;
}

export interface BrokerStats {
  clients: number;
  /**
   * Connections closed because a message could not be committed in time, a packet was too large, or a subscriber did not
   * read what QoS 1 or 2 owed it.
   */
  cut: number;
  /** Clients whose socket is not read at the moment because too much of theirs waits for a commit. */
  paused: number;
  /** Bytes of all clients that wait for their commit. */
  waitingBytes: number;
  /** Bytes that subscribers have not read yet, beside what the system's buffers hold. */
  unreadBytes: number;
  /** QoS 0 messages that were not passed on to a subscriber that does not read. */
  dropped: number;
  /** Subscriptions of QoS 1 or 2 that were granted as QoS 0, because their client counted on a session that is not kept. */
  sessionless: number;
  retained: RetainedStats;
}
