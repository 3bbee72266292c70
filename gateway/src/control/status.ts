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
    /** MQTT connections. */
    clients: number;
    messages: number;
    readingsPerSecond: number;
    rejected: number;
    duplicates: number;
    refused: number;
    /** Messages that wait for their commit. */
    waitingMessages: number;
    /** Connections closed because a message could not be committed or was too large. */
    cut: number;
  };
  vault: {
    directory: string;
    incarnation: string;
    readings: number;
    bytes: number;
    blocksWaiting: number;
    blockBytesWaiting: number;
    alertsWaiting: number;
    quarantined: number;
    damaged: number;
    commitP50Ms: number;
    commitP99Ms: number;
  };
  /** State of the way to the cloud, as the bridge says it, and why it is not up; null when no bridge runs. */
  bridge: { state: string; text: string; since: number; reason: string | null } | null;
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
