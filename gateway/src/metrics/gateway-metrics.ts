import type { GatewayStatus } from '../control/status.ts';
import type { Family, Sample } from './exposition.ts';

type Process = NonNullable<GatewayStatus['process']>;
type Vault = GatewayStatus['vault'];
type Bridge = NonNullable<GatewayStatus['bridge']>;

/** Metrics by name: what a name says, how its value is read off, and the type where the name does not tell it. */
type Figures<Source> = Record<string, [help: string, read: (source: Source) => Values, type?: 'summary']>;
/** One value without labels, several samples, or nothing to say. */
type Values = number | undefined | readonly Sample[];

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);

const PROCESS: Figures<Process> = {
  tidegate_start_time_seconds: ['When the gateway was started, seconds since 1970.', (it) => it.startedAt / 1000],
  tidegate_resident_memory_bytes: ['Resident memory of the process.', (it) => it.residentBytes],
  tidegate_cpu_seconds_total: ['Processor time of the process, all threads.', (it) => it.cpuSeconds],
  tidegate_event_loop_busy_seconds_total: ['Time in which the event loop had work.', (it) => it.busySeconds],
  tidegate_event_loop_delay_seconds: [
    'How late the event loop came to what was due; quantile of the newest whole ten seconds.',
    (it) => [{ value: it.loopDelayP99Ms / 1000, labels: { quantile: '0.99' } }],
    'summary',
  ],
  tidegate_event_loop_delay_max_seconds: ['Longest of the same ten seconds.', (it) => it.loopDelayMaxMs / 1000],
  tidegate_flows_running: ['1 while the flows run.', (it) => Number(it.flows === 'running')],
  tidegate_broker_clients: ['MQTT connections.', (it) => it.clients],
  tidegate_broker_cut_total: ['Connections closed because a message was too large or not committed.', (it) => it.cut],
  tidegate_door_messages_total: ['Messages taken in.', (it) => it.messages],
  tidegate_door_readings_total: ['Readings taken in.', (it) => it.readings],
  tidegate_door_rejected_total: ['Messages that could not be read.', (it) => it.rejected],
  tidegate_door_duplicates_total: ['Messages recognised as sent again.', (it) => it.duplicates],
  tidegate_door_refused_total: [
    'Messages not committed in time, or beyond what a client may have waiting.',
    (it) => it.refused,
  ],
  tidegate_door_waiting_messages: ['Messages that wait for their commit.', (it) => it.waitingMessages],
  tidegate_door_waiting_bytes: ['Bytes of the messages that wait for their commit.', (it) => it.waitingBytes],
};

const VAULT: Figures<Vault> = {
  tidegate_vault_readings: ['Readings in the vault.', (it) => it.readings],
  tidegate_vault_oldest_reading_time_seconds: [
    'Time of the oldest reading, seconds since 1970.',
    (it) => seconds(it.oldestReadingTime),
  ],
  tidegate_vault_disk_bytes: ['Size of all files of the vault.', (it) => it.bytes],
  tidegate_vault_rest_bytes: ['What is stored, without room that is only reserved.', (it) => it.bytesAtRest],
  tidegate_vault_reading_bytes: ['Bytes at rest for each reading.', (it) => it.bytesPerReading],
  tidegate_vault_written_bytes_total: [
    'Bytes handed to the disk since the vault was opened.',
    (it) => Object.entries(it.bytesWritten ?? {}).map(([part, value]) => ({ value, labels: { part } })),
  ],
  tidegate_vault_written_readings_total: ['Readings taken in since the vault was opened.', (it) => it.readingsWritten],
  tidegate_vault_open_chunk_bytes: ['Memory of readings that no segment holds yet.', (it) => it.openChunkBytes],
  tidegate_vault_segments: ['Segment files.', (it) => it.segments],
  tidegate_vault_quota_bytes: ['What the vault may take on the disk.', (it) => it.quota?.bytes],
  tidegate_vault_quota_used_bytes: ['What counts against the quota.', (it) => it.quota?.used],
  tidegate_vault_time_to_full_seconds: [
    'Until quota or disk is full, at the present rate.',
    (it) => seconds(it.timeToFullMs),
  ],
  tidegate_vault_gaps: ['Declared gaps: spans that were given up.', (it) => it.gaps],
  tidegate_vault_quarantined: ['Messages that could not be read and are kept to look at.', (it) => it.quarantined],
  tidegate_vault_damaged: ['Records that could not be opened and were set aside.', (it) => it.damaged],
  tidegate_vault_clock_trusted: [
    '1 while the time of the clock is taken for right.',
    (it) => it.clock && Number(it.clock.trusted),
  ],
  tidegate_vault_undated_readings: ['Readings that wait for the right time.', (it) => it.clock?.undated],
  tidegate_outbox_blocks: ['Blocks that wait for the cloud.', (it) => it.blocksWaiting],
  tidegate_outbox_block_bytes: ['Bytes of the blocks that wait for the cloud.', (it) => it.blockBytesWaiting],
  tidegate_outbox_alerts: ['Alerts that wait for the cloud.', (it) => it.alertsWaiting],
  tidegate_vault_commit_seconds: [
    'Time from handing over to synced, for each commit; quantiles of the newest 1000.',
    commitSamples,
    'summary',
  ],
  tidegate_vault_commit_max_seconds: ['Longest of the newest 1000 commits.', (it) => seconds(it.commitMaxMs)],
};

const STATES = ['offline', 'connecting', 'syncing', 'up-to-date', 'conflict', 'error'];

const BRIDGE: Figures<Bridge> = {
  tidegate_bridge_state: [
    '1 for the state in which the way to the cloud is.',
    (it) => STATES.map((state) => ({ value: Number(state === it.state), labels: { state } })),
  ],
  tidegate_bridge_state_since_seconds: ['Since when it is in that state, seconds since 1970.', (it) => it.since / 1000],
  tidegate_bridge_progress_ratio: [
    'While syncing: share of the blocks that have been acknowledged, by windows.',
    ({ progress }) => (progress === null || progress === undefined ? undefined : shares(progress)),
  ],
  tidegate_bridge_left_seconds: [
    'While syncing: how long the rest takes at the rate of the last minute, once that is known.',
    ({ progress }) => seconds(progress?.leftMs),
  ],
  tidegate_bridge_sent_bytes_total: ['Bytes sent to the cloud.', (it) => it.bytesSent],
  tidegate_bridge_sent_frames_total: ['Frames sent to the cloud.', (it) => it.framesSent],
  tidegate_bridge_rejected_total: [
    'What the cloud did not take, by the code of its answer.',
    (it) => byKind(it.rejected),
  ],
  tidegate_bridge_refused_frames_total: ['Frames from the broker that were refused here.', (it) => byKind(it.refused)],
  tidegate_bridge_acknowledgement_seconds: [
    'Smoothed time from sending to the acknowledgement.',
    (it) => it.latencyMs / 1000,
  ],
};

/**
 * A gateway's status as metrics. What a vault or a gateway at rest does not say has no sample. No series, topic or client
 * is named.
 */
export function metricsOf(status: GatewayStatus, version: string): Family[] {
  const whole: Figures<GatewayStatus> = {
    tidegate_build_info: [
      'Always 1; what runs, and where.',
      ({ name }) => [{ value: 1, labels: { version, gateway: name } }],
    ],
    tidegate_up: [
      '1 while the gateway runs; 0 when its vault was opened for this answer.',
      ({ running }) => Number(running),
    ],
  };
  const grants: Figures<GatewayStatus> = {
    tidegate_grants: ['Grants that stand; with none, nothing leaves the site.', (it) => it.grants.length],
  };
  return [
    ...families(whole, status),
    ...families(PROCESS, status.process),
    ...families(VAULT, status.vault),
    ...families(BRIDGE, status.bridge),
    ...families(grants, status),
  ];
}

/** Nothing of what is not there. */
function families<Source>(figures: Figures<Source>, source: Source | null | undefined): Family[] {
  if (source === null || source === undefined) return [];
  return Object.entries(figures).map(([name, [help, read, type]]) => {
    const values = read(source);
    const samples = typeof values === 'number' ? [{ value: values }] : (values ?? []);
    return { name, type: type ?? (name.endsWith('_total') ? 'counter' : 'gauge'), help, samples };
  });
}

const byKind = (counts: Readonly<Record<string, number>> = {}): Sample[] =>
  Object.entries(counts).map(([reason, value]) => ({ value, labels: { reason } }));

function shares({ done, total, coarse, fine }: NonNullable<Bridge['progress']>): Sample[] {
  const all = Object.entries({ all: { done, total }, coarse, fine });
  return all.flatMap(([windows, share]): Sample[] =>
    share === undefined ? [] : [{ value: share.done / share.total, labels: { windows } }],
  );
}

/** Quantiles over the newest 1000 commits; sum and count over all. */
function commitSamples({ commits, commitP50Ms, commitP99Ms, commitTotalMs }: Vault): Sample[] {
  return [
    { value: commitP50Ms / 1000, labels: { quantile: '0.5' } },
    { value: commitP99Ms / 1000, labels: { quantile: '0.99' } },
    ...(commitTotalMs === undefined ? [] : [{ value: commitTotalMs / 1000, suffix: '_sum' } as const]),
    { value: commits, suffix: '_count' },
  ];
}
