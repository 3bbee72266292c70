import type { Progress, Security } from '@tidegate/nodes/sync';
import type { VaultStats } from '@tidegate/nodes/vault';

/** What `tidegate status` shows. Counts of the door and the broker are since the start. */
export interface GatewayStatus {
  name: string;
  running: boolean;
  /** Absent while the gateway does not run. */
  process?: {
    pid: number;
    /** Epoch milliseconds. */
    startedAt: number;
    editor: string;
    /** `running`, or why they do not. */
    flows: string;
    broker: string;
    /** Where sensors connect with TLS; null when that is not open. */
    secureBroker?: string | null;
    /** MQTT connections. */
    clients: number;
    messages: number;
    readings: number;
    readingsPerSecond: number;
    rejected: number;
    duplicates: number;
    refused: number;
    /** Messages that wait for their commit. */
    waitingMessages: number;
    waitingBytes: number;
    /** Messages are refused at the moment, and nothing is committed. */
    stuck: boolean;
    /** Connections closed because a message could not be committed or was too large. */
    cut: number;
    /** Where `/metrics` and `/healthz` are answered; null when they are not open. */
    metrics: string | null;
    residentBytes: number;
    /** Processor time of all threads, and time in which the event loop had work, since the start; seconds. */
    cpuSeconds: number;
    busySeconds: number;
    /** How late the event loop came to what was due, over ten seconds; 0 in the first ten. */
    loopDelayP99Ms: number;
    loopDelayMaxMs: number;
  };
  vault: VaultStats & { directory: string };
  /** State of the way to the cloud, as the bridge says it, and why it is not up; null when no bridge runs. */
  bridge: {
    state: string;
    text: string;
    since: number;
    reason: string | null;
    /** While syncing. */
    progress?: Progress | null;
    /** Since the start. */
    framesSent: number;
    bytesSent: number;
    /** Smoothed time from sending to the cloud's acknowledgement. */
    latencyMs: number;
    /** Frames refused here, by kind; what the cloud did not take, by the code of its NACK; and the newest reasons. Since the start. */
    refused?: Readonly<Record<string, number>>;
    refusedReason?: string | null;
    rejected?: Readonly<Record<string, number>>;
    rejectedReason?: string | null;
    /** How the way to the cloud's broker is secured. */
    security?: Security;
    /** Blocks, ever, under whose numbers the cloud holds other bytes. */
    conflicts?: number;
  } | null;
  /** Where the gateway is enrolled; null when it is not. */
  enrolled: { tenant: string; gateway: string; broker: string | null } | null;
  grants: GrantView[];
}

export interface GrantView {
  series: string;
  purpose: string;
  /** Epoch milliseconds. */
  since: number;
}
