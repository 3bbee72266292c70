/**
 * From a sensor's PUBLISH to the commit of its alert in the cloud's database, while 10,000 frames of backlog drain over
 * the same gateway and into the same database. Gateway and cloud are real processes on this machine's loopback; each
 * alert is the first value over a limit on a series of its own, and carries the time at which it was published.
 */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { addReading, emptySummary, type Part } from '@tidegate/nodes/summary';
import { outgoingOf } from '@tidegate/nodes/sync';
import { openVault } from '@tidegate/nodes/vault';
import mqtt from 'mqtt';
import type { AlertsAnswer, AlertView } from '../cloud-bridge/src/api/contract.ts';
import { Site } from '../test/support/site.ts';
import { quantileOf, type Report } from './support/report.ts';
import { signal } from './support/signal.ts';

const BACKLOG_FRAMES = 10_000;
const SERIES = 1_000;
/** Parts that make a frame of about 16 kB. */
const PARTS_PER_FRAME = 400;
const MINUTE = 60_000;
const ALERTS = 300;
const PAUSE_MS = 40;

export async function run(progress: (text: string) => void): Promise<Report> {
  const site = await Site.make({ grants: ['site/#'], flow: limitTheAlarmSeries });
  try {
    progress('building the backlog');
    const built = await buildBacklog(site);
    await site.startGateway();
    await site.enrolled();
    const waitingBefore = await blocksWaiting(site);
    progress(`${built} frames of backlog; ${waitingBefore} waiting when the alerts begin`);
    const published = await raiseAlerts(site);
    const waitingAfter = await blocksWaiting(site);
    const latencies = await committedAfter(site, published);
    if (waitingAfter === 0) throw new Error('the backlog was gone before the last alert was published');
    return {
      figures: {
        alert_p50_ms: quantileOf(latencies, 0.5),
        alert_p99_ms: quantileOf(latencies, 0.99),
        alert_max_ms: Math.max(...latencies),
        alerts: latencies.length,
        backlog_frames: built,
        frames_drained_meanwhile: waitingBefore - waitingAfter,
        frames_left: waitingAfter,
      },
      goals: { alert_p99_ms: { max: 50 } },
      notes: [
        `one alert every ${PAUSE_MS} ms, each on a series of its own; publisher, gateway and cloud share this machine`,
      ],
    };
  } finally {
    await site.close();
  }
}

function limitTheAlarmSeries(flow: Record<string, unknown>[]): void {
  const detect = flow.find(({ type }) => type === 'tide-detect');
  if (detect === undefined) throw new Error('the shipped flow has no tide-detect node');
  detect['rules'] = [{ series: 'site/alarm/#', kind: 'limits', high: 100 }];
}

/** Minutes of a thousand series that the cloud has not seen, sealed into blocks as tide-summarize does. */
async function buildBacklog(site: Site): Promise<number> {
  const key = { file: path.join(site.gatewayDirectory, 'keys/vault.key') };
  const vault = await openVault({ directory: path.join(site.gatewayDirectory, 'vault'), key });
  try {
    const outgoing = await outgoingOf(vault);
    const draws = Array.from({ length: SERIES }, (_, n) => signal({ noise: 0.2, seed: n + 1, interval: 60 }));
    const numbers = draws.map((_, n) => vault.series.number(`site/line${n % 100}/sensor${Math.floor(n / 100)}`));
    let windowStart = Math.floor(Date.now() / MINUTE) * MINUTE - 60 * 86_400_000;
    let built = 0;
    let position = 0;
    while (built < BACKLOG_FRAMES) {
      const parts: Part[] = [];
      for (let minute = 0; minute < 10; minute++, windowStart += MINUTE) {
        for (const [n, draw] of draws.entries()) {
          const reading = { series: '', time: windowStart, value: draw(), position: ++position } as const;
          const summary = addReading(emptySummary(), { ...reading, quality: 'good', clock: 'device' });
          parts.push({ series: numbers[n], windowStart, summary });
        }
      }
      for (let at = 0; at < parts.length; at += PARTS_PER_FRAME) {
        await outgoing.commitParts(parts.slice(at, at + PARTS_PER_FRAME), 60, []);
      }
      built = (await vault.stats()).blocksWaiting;
    }
    return built;
  } finally {
    await vault.close();
  }
}

async function raiseAlerts(site: Site): Promise<number> {
  const sensor = await mqtt.connectAsync(`mqtt://127.0.0.1:${site.mqttPort}`);
  try {
    for (let n = 0; n < ALERTS; n++) {
      await sensor.publishAsync(`site/alarm/${n}`, JSON.stringify({ value: 150.5, timestamp: Date.now() }), { qos: 1 });
      await sleep(PAUSE_MS);
    }
  } finally {
    await sensor.endAsync();
  }
  return ALERTS;
}

/** Milliseconds from publish to commit of every alert; all of them have to arrive. */
async function committedAfter(site: Site, published: number): Promise<number[]> {
  const found = new Map<string, AlertView>();
  const deadline = Date.now() + 60_000;
  for (let cursor = 0; found.size < published;) {
    const answer = await site.ask<AlertsAnswer>(`/api/v1/alerts?since=${cursor}&gateway=site&limit=100`);
    for (const alert of answer.alerts) if (alert.series.startsWith('site/alarm/')) found.set(alert.series, alert);
    cursor = answer.cursor;
    if (answer.alerts.length > 0) continue;
    if (Date.now() > deadline) throw new Error(`${found.size} of ${published} alerts reached the cloud`);
    await sleep(200);
  }
  return [...found.values()].map(({ committedAt, time }) => committedAt - time);
}

async function blocksWaiting(site: Site): Promise<number> {
  const output = await site.tidegate('status', site.gatewayDirectory, '--json');
  return (JSON.parse(output.slice(output.indexOf('{'))) as { vault: { blocksWaiting: number } }).vault.blocksWaiting;
}
