import assert from 'node:assert/strict';
import { vaultWarnings } from '@tidegate/nodes/vault';
import { statusText } from '../../../gateway/src/control/status-text.ts';
import type { GatewayStatus } from '../../../gateway/src/control/status.ts';
import { CommitWatch } from '../../../gateway/src/metrics/commit-watch.ts';
import { exposed } from '../../../gateway/src/metrics/exposition.ts';
import { metricsOf } from '../../../gateway/src/metrics/gateway-metrics.ts';
import { healthOf } from '../../../gateway/src/metrics/health.ts';

const DAY = 86_400_000;

const atRest: GatewayStatus = {
  name: 'works',
  running: false,
  vault: {
    directory: '/srv/vault',
    incarnation: '0'.repeat(32),
    head: 101,
    readings: 100,
    bytes: 9_000_000,
    blocksWaiting: 1,
    blockBytesWaiting: 200,
    alertsWaiting: 3,
    quarantined: 0,
    damaged: 0,
    problems: [],
    commits: 40,
    commitP50Ms: 1.5,
    commitP99Ms: 20,
  },
  bridge: null,
  enrolled: null,
  grants: [],
};

const running: GatewayStatus = {
  ...atRest,
  running: true,
  process: {
    pid: 1,
    startedAt: 1_750_000_000_000,
    editor: 'http://127.0.0.1:1880',
    flows: 'running',
    broker: 'mqtt://127.0.0.1:1883',
    clients: 2,
    messages: 1000,
    readings: 1500,
    readingsPerSecond: 10,
    rejected: 1,
    duplicates: 2,
    refused: 3,
    waitingMessages: 4,
    waitingBytes: 5,
    stuck: false,
    cut: 6,
    metrics: null,
    residentBytes: 150_000_000,
    cpuSeconds: 12.5,
    busySeconds: 9.25,
    loopDelayP99Ms: 2.5,
    loopDelayMaxMs: 40,
  },
  vault: {
    ...atRest.vault,
    commitMaxMs: 35,
    commitTotalMs: 80,
    bytesAtRest: 300,
    bytesPerReading: 2.25,
    bytesWritten: { journal: 1000, segments: 250, catalogue: 50 },
    readingsWritten: 100,
    openChunkBytes: 70,
    segments: 4,
    oldestReadingTime: 1_740_000_000_000,
    quota: { bytes: 4_000_000_000, used: 1_000_000_000 },
    timeToFullMs: 30 * DAY,
    gaps: 2,
    clock: { trusted: true, undated: 0 },
  },
  bridge: {
    rejected: { retry: 3 },
    refused: { 'bad-signature': 2 },
    state: 'syncing',
    text: 'syncing',
    since: 5_000,
    reason: null,
    framesSent: 7,
    bytesSent: 800,
    latencyMs: 90,
  },
};

/** The samples of an exposition, by name with labels. Complains about what Prometheus' parser would. */
function parsed(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of text.split('\n').slice(0, -1)) {
    const comment = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name, rest] = comment;
      if (kind === 'TYPE') {
        assert.ok(!types.has(name), `${name} is declared twice`);
        types.set(name, rest);
      }
      continue;
    }
    const sample = /^([a-z_]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (\S+)$/.exec(line);
    assert.ok(sample !== null, line);
    const [, name, labels = '', value] = sample;
    const family = types.has(name) ? name : name.replace(/_(sum|count)$/, '');
    const type = types.get(family);
    assert.ok(type !== undefined, `${name} has no type`);
    assert.equal(type === 'counter', name.endsWith('_total'), name);
    assert.ok(!samples.has(name + labels), `${name}${labels} stands twice`);
    samples.set(name + labels, value === '+Inf' ? Infinity : Number(value));
  }
  assert.ok(text.endsWith('\n'));
  return samples;
}

describe('metrics', () => {
  it('are in the text format, with names that say their units', () => {
    const samples = parsed(exposed(metricsOf(running, '1.2.3')));
    for (const [name, value] of [
      ['tidegate_build_info{version="1.2.3",gateway="works"}', 1],
      ['tidegate_up', 1],
      ['tidegate_start_time_seconds', 1_750_000_000],
      ['tidegate_resident_memory_bytes', 150_000_000],
      ['tidegate_event_loop_delay_seconds{quantile="0.99"}', 0.0025],
      ['tidegate_event_loop_delay_max_seconds', 0.04],
      ['tidegate_door_readings_total', 1500],
      ['tidegate_vault_readings', 100],
      ['tidegate_vault_rest_bytes', 300],
      ['tidegate_vault_reading_bytes', 2.25],
      ['tidegate_vault_written_bytes_total{part="journal"}', 1000],
      ['tidegate_vault_written_bytes_total{part="catalogue"}', 50],
      ['tidegate_vault_quota_bytes', 4e9],
      ['tidegate_vault_time_to_full_seconds', 30 * 86_400],
      ['tidegate_vault_commit_seconds{quantile="0.99"}', 0.02],
      ['tidegate_vault_commit_seconds_sum', 0.08],
      ['tidegate_vault_commit_seconds_count', 40],
      ['tidegate_vault_commit_max_seconds', 0.035],
      ['tidegate_vault_clock_trusted', 1],
      ['tidegate_outbox_alerts', 3],
      ['tidegate_bridge_state{state="syncing"}', 1],
      ['tidegate_bridge_state{state="offline"}', 0],
      ['tidegate_bridge_sent_bytes_total', 800],
      ['tidegate_bridge_rejected_total{reason="retry"}', 3],
      ['tidegate_bridge_refused_frames_total{reason="bad-signature"}', 2],
    ] as const)
      assert.equal(samples.get(name), value, name);
  });

  it('leave out what is not known', () => {
    const text = exposed(metricsOf(atRest, '1'));
    const samples = parsed(text);
    assert.equal(samples.get('tidegate_up'), 0);
    assert.equal(samples.get('tidegate_outbox_blocks'), 1);
    for (const name of ['quota', 'bridge', 'door', 'clock', 'time_to_full', 'written'])
      assert.ok(!text.includes(name), name);
  });

  it('escape what would break a line', () => {
    const text = exposed([
      { name: 'a', type: 'gauge', help: 'b\\c\nd', samples: [{ value: Infinity, labels: { e: 'f"\\\n' } }] },
      { name: 'g', type: 'gauge', help: '', samples: [] },
    ]);
    assert.equal(text, '# HELP a b\\\\c\\nd\n# TYPE a gauge\na{e="f\\"\\\\\\n"} +Inf\n');
  });
});

describe('health', () => {
  const { process: up } = running;

  it('is good, in need of a person, or bad', () => {
    assert.deepEqual(healthOf(running), { status: 'ok', reasons: [] });
    assert.deepEqual(healthOf(undefined), { status: 'failing', reasons: ['the vault does not answer'] });
    assert.deepEqual(healthOf({ ...running, process: { ...up!, flows: 'held back: x', stuck: true } }), {
      status: 'failing',
      reasons: ['messages are refused because nothing is committed in time', 'flows: held back: x'],
    });
    const clock = { trusted: false, undated: 1204 };
    assert.deepEqual(
      healthOf({ ...running, vault: { ...running.vault, clock, timeToFullMs: 3.5 * DAY, damaged: 1 } }),
      {
        status: 'degraded',
        reasons: [
          'the vault is full in 3 days at the present rate (1,000 of 4,000 MB taken)',
          'the clock is not trusted; 1,204 readings wait to be dated',
          '1 record could not be opened and was set aside',
        ],
      },
    );
    const error = { ...running.bridge!, state: 'error', reason: 'no such gateway' };
    assert.deepEqual(healthOf({ ...running, bridge: error }).reasons, ['bridge: no such gateway']);
  });

  it('warns of a full vault a week before, not earlier', () => {
    const { vault } = running;
    assert.deepEqual(vaultWarnings({ ...vault, timeToFullMs: 7 * DAY }), []);
    assert.match(vaultWarnings({ ...vault, timeToFullMs: 5_400_000 })[0].text, /full in 90 minutes/);
    assert.match(vaultWarnings({ ...vault, timeToFullMs: 0 })[0].text, /full now/);
  });

  it('is bad while messages are refused and none gets through', () => {
    let now = 0;
    const watch = new CommitWatch({ now: () => now, monotonic: () => now });
    const sample = (head: number, messages: number, refused: number, waitingMessages: number): boolean => {
      now += 1_000;
      watch.sample({ head, messages, refused, waitingMessages });
      return watch.stuck;
    };
    assert.equal(sample(1, 0, 0, 0), false);
    assert.equal(sample(1, 10, 0, 10), false);
    assert.equal(sample(1, 10, 10, 0), true);
    assert.equal(sample(1, 20, 10, 10), true);
    // One client that is over its limit, while the others get through.
    assert.equal(sample(11, 20, 12, 0), false);
    assert.equal(sample(21, 30, 15, 0), false);
    // Rejections are committed as well, and have no position.
    assert.equal(sample(21, 40, 18, 2), false);
    assert.equal(sample(21, 40, 20, 0), true);
    now += 60_000;
    assert.equal(watch.stuck, false);
  });
});

describe('status text of a vault', () => {
  it('says what it holds, what room is left and what it costs the disk', () => {
    const text = statusText(running, 1_750_000_060_000);
    assert.match(text, /^vault +100 readings since 2025-02-19T21:20:00\.000Z, 300 bytes \(2\.3 bytes a reading\)$/m);
    assert.match(text, /^room +1\.0 GB of 4\.0 GB, full in 30 days at the present rate$/m);
    assert.match(
      text,
      /^commits +40, half of them in 1\.5 ms, 99 % in 20\.0 ms, at most 35\.0 ms; 1\.3 kB written, 13\.0 bytes for each reading$/m,
    );
    assert.match(text, /^gaps +2 spans given up or lost, and declared$/m);
    assert.doesNotMatch(text, /^warning/m);
    assert.match(
      statusText({ ...atRest, vault: { ...atRest.vault, damaged: 2 } }, 0),
      /^warning +2 records could not be opened/m,
    );
  });
});
