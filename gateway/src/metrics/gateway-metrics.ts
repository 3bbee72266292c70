import type { GatewayStatus } from '../control/status.ts';
import type { Family, Sample } from './exposition.ts';

const BRIDGE_STATES = ['offline', 'connecting', 'syncing', 'up-to-date', 'error'];

/**
 * A gateway's status as metrics. What a vault or a gateway at rest does not say has no sample. No series, topic or client
 * is named.
 */
export function metricsOf(status: GatewayStatus, version: string): Family[] {
  const { name, running } = status;
  return [
    gauge('tidegate_build_info', 'Always 1; what runs, and where.', [{ value: 1, labels: { version, gateway: name } }]),
    gauge('tidegate_up', '1 while the gateway runs; 0 when its vault was opened for this answer.', running ? 1 : 0),
    ...processFamilies(status.process),
    ...vaultFamilies(status.vault),
    ...bridgeFamilies(status.bridge),
    gauge('tidegate_grants', 'Grants that stand; with none, nothing leaves the site.', status.grants.length),
  ];
}

function processFamilies(running: GatewayStatus['process']): Family[] {
  if (running === undefined) return [];
  const flows = running.flows === 'running' ? 1 : 0;
  return [
    gauge('tidegate_start_time_seconds', 'When the gateway was started, seconds since 1970.', running.startedAt / 1000),
    gauge('tidegate_resident_memory_bytes', 'Resident memory of the process.', running.residentBytes),
    counter('tidegate_cpu_seconds_total', 'Processor time of the process, all threads.', running.cpuSeconds),
    counter('tidegate_event_loop_busy_seconds_total', 'Time in which the event loop had work.', running.busySeconds),
    {
      name: 'tidegate_event_loop_delay_seconds',
      type: 'summary',
      help: 'How late the event loop came to what was due; quantile of the newest whole ten seconds.',
      samples: [{ value: running.loopDelayP99Ms / 1000, labels: { quantile: '0.99' } }],
    },
    gauge('tidegate_event_loop_delay_max_seconds', 'Longest of the same ten seconds.', running.loopDelayMaxMs / 1000),
    gauge('tidegate_flows_running', '1 while the flows run.', flows),
    gauge('tidegate_broker_clients', 'MQTT connections.', running.clients),
    counter(
      'tidegate_broker_cut_total',
      'Connections closed because a message was too large or not committed.',
      running.cut,
    ),
    counter('tidegate_door_messages_total', 'Messages taken in.', running.messages),
    counter('tidegate_door_readings_total', 'Readings taken in.', running.readings),
    counter('tidegate_door_rejected_total', 'Messages that could not be read.', running.rejected),
    counter('tidegate_door_duplicates_total', 'Messages recognised as sent again.', running.duplicates),
    counter(
      'tidegate_door_refused_total',
      'Messages not committed in time, or beyond what a client may have waiting.',
      running.refused,
    ),
    gauge('tidegate_door_waiting_messages', 'Messages that wait for their commit.', running.waitingMessages),
    gauge('tidegate_door_waiting_bytes', 'Bytes of the messages that wait for their commit.', running.waitingBytes),
  ];
}

function vaultFamilies(vault: GatewayStatus['vault']): Family[] {
  const { bytesWritten, quota, clock, timeToFullMs, oldestReadingTime } = vault;
  const written: Sample[] = Object.entries(bytesWritten ?? {}).map(([part, value]) => ({ value, labels: { part } }));
  return [
    gauge('tidegate_vault_readings', 'Readings in the vault.', vault.readings),
    gauge(
      'tidegate_vault_oldest_reading_time_seconds',
      'Time of the oldest reading, seconds since 1970.',
      seconds(oldestReadingTime),
    ),
    gauge('tidegate_vault_disk_bytes', 'Size of all files of the vault.', vault.bytes),
    gauge('tidegate_vault_rest_bytes', 'What is stored, without room that is only reserved.', vault.bytesAtRest),
    gauge('tidegate_vault_reading_bytes', 'Bytes at rest for each reading.', vault.bytesPerReading),
    counter('tidegate_vault_written_bytes_total', 'Bytes handed to the disk since the vault was opened.', written),
    counter(
      'tidegate_vault_written_readings_total',
      'Readings taken in since the vault was opened.',
      vault.readingsWritten,
    ),
    gauge('tidegate_vault_open_chunk_bytes', 'Memory of readings that no segment holds yet.', vault.openChunkBytes),
    gauge('tidegate_vault_segments', 'Segment files.', vault.segments),
    gauge('tidegate_vault_quota_bytes', 'What the vault may take on the disk.', quota?.bytes),
    gauge('tidegate_vault_quota_used_bytes', 'What counts against the quota.', quota?.used),
    gauge(
      'tidegate_vault_time_to_full_seconds',
      'Until quota or disk is full, at the present rate.',
      seconds(timeToFullMs),
    ),
    gauge('tidegate_vault_gaps', 'Declared gaps: spans that were given up.', vault.gaps),
    gauge('tidegate_vault_quarantined', 'Messages that could not be read and are kept to look at.', vault.quarantined),
    gauge('tidegate_vault_damaged', 'Records that could not be opened and were set aside.', vault.damaged),
    gauge(
      'tidegate_vault_clock_trusted',
      '1 while the time of the clock is taken for right.',
      clock && Number(clock.trusted),
    ),
    gauge('tidegate_vault_undated_readings', 'Readings that wait for the right time.', clock?.undated),
    gauge('tidegate_outbox_blocks', 'Blocks that wait for the cloud.', vault.blocksWaiting),
    gauge('tidegate_outbox_block_bytes', 'Bytes of the blocks that wait for the cloud.', vault.blockBytesWaiting),
    gauge('tidegate_outbox_alerts', 'Alerts that wait for the cloud.', vault.alertsWaiting),
    commits(vault),
    gauge('tidegate_vault_commit_max_seconds', 'Longest of the newest 1000 commits.', seconds(vault.commitMaxMs)),
  ];
}

/** Quantiles over the newest 1000 commits; sum and count over all. */
function commits({ commits: count, commitP50Ms, commitP99Ms, commitTotalMs }: GatewayStatus['vault']): Family {
  const samples: Sample[] = [
    { value: commitP50Ms / 1000, labels: { quantile: '0.5' } },
    { value: commitP99Ms / 1000, labels: { quantile: '0.99' } },
    ...(commitTotalMs === undefined ? [] : [{ value: commitTotalMs / 1000, suffix: '_sum' } as const]),
    { value: count, suffix: '_count' },
  ];
  const help = 'Time from handing over to synced, for each commit; quantiles of the newest 1000.';
  return { name: 'tidegate_vault_commit_seconds', type: 'summary', help, samples };
}

function bridgeFamilies(bridge: GatewayStatus['bridge']): Family[] {
  if (bridge === null) return [];
  const states = BRIDGE_STATES.map((state) => ({ value: Number(state === bridge.state), labels: { state } }));
  return [
    gauge('tidegate_bridge_state', '1 for the state in which the way to the cloud is.', states),
    gauge(
      'tidegate_bridge_state_since_seconds',
      'Since when it is in that state, seconds since 1970.',
      bridge.since / 1000,
    ),
    counter('tidegate_bridge_sent_bytes_total', 'Bytes sent to the cloud.', bridge.bytesSent),
    counter('tidegate_bridge_sent_frames_total', 'Frames sent to the cloud.', bridge.framesSent),
    gauge(
      'tidegate_bridge_acknowledgement_seconds',
      'Smoothed time from sending to the acknowledgement.',
      bridge.latencyMs / 1000,
    ),
  ];
}

type Values = number | undefined | readonly Sample[];
const gauge = (name: string, help: string, values: Values): Family => family(name, 'gauge', help, values);
const counter = (name: string, help: string, values: Values): Family => family(name, 'counter', help, values);

function family(name: string, type: 'gauge' | 'counter', help: string, values: Values): Family {
  const samples = typeof values === 'number' ? [{ value: values }] : (values ?? []);
  return { name, type, help, samples };
}

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);
