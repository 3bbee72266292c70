/**
 * How fast a backlog drains over loopback once the link is back: one-minute summaries of 1,000 series, ours in blocks to
 * the cloud's database; beside it the same summaries as one JSON message each, from a mosquitto that bridges to another one
 * (QoS 1, the settings of its manual and without its limits), and from a NATS leaf node whose JetStream stream the hub
 * takes as a source. What waits at the start of each was stored while the other end was not there.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WindowAccumulator, decimalToString, type Part, type Summary } from '@tidegate/nodes/summary';
import { Bridge, outgoingOf, storeEnrolment } from '@tidegate/nodes/sync';
import { createKeyFile, openVault, type Vault } from '@tidegate/nodes/vault';
import mqtt from 'mqtt';
import { freePort } from '../test/support/ports.ts';
import { Program, root } from '../test/support/process.ts';
import { TcpProxy } from '../test/support/tcp-proxy.ts';
import { natsPorts, NatsClient, startNats } from './support/nats.ts';
import { requireMosquitto } from './support/peers.ts';
import type { Report } from './support/report.ts';
import { jitter, signal, uniform } from './support/signal.ts';

const CLOUD_CLI = path.join(root, 'cloud-bridge/bin/tidegate-cloud.js');
const SERIES = 1_000;
const MINUTE = 60_000;
/** Minutes of backlog: ten hours for us, one for those who take longer. */
const MINUTES = 600;
const PEER_MINUTES = 60;
const PATIENCE_MS = 300_000;
/** Publishes under way to a peer while its backlog is laid down. */
const UNDER_WAY = 500;

export async function run(progress: (text: string) => void): Promise<Report> {
  const mosquitto = requireMosquitto();
  const nats = ['/usr/sbin/nats-server', '/usr/bin/nats-server', '/usr/local/bin/nats-server'].find(existsSync);
  if (nats === undefined)
    throw new Error('nats-server is not installed (Debian: apt-get install nats-server); it cannot be measured');
  const directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-drain-'));
  const minutes = sample();
  const messages = messagesOf(minutes, PEER_MINUTES);
  try {
    progress(`tidegate: ${SERIES * MINUTES} windows`);
    const ours = await drainTidegate(path.join(directory, 'tidegate'), minutes);
    progress(`mosquitto bridge, as its manual says: ${messages.length} messages`);
    const stock = await drainMosquitto(mosquitto, path.join(directory, 'stock'), messages, []);
    progress('mosquitto bridge, without limits');
    const free = await drainMosquitto(mosquitto, path.join(directory, 'free'), messages, ['max_inflight_messages 0']);
    progress('NATS JetStream leaf node');
    const leaf = await drainNats(nats, path.join(directory, 'nats'), messages);
    return {
      figures: {
        windows_per_s: ours.perSecond,
        drain_s: ours.seconds,
        mosquitto_per_s: stock,
        mosquitto_unlimited_per_s: free,
        nats_per_s: leaf,
        ratio_mosquitto: ours.perSecond / Math.max(stock, free),
        ratio_nats: ours.perSecond / leaf,
      },
      goals: {},
      notes: [
        `${SERIES} series; ${MINUTES} windows of a minute each for us, ${PEER_MINUTES} for the others; noise sd 0.2`,
        'ours counts when the cloud has committed a block, synced, and the gateway has let go of it; the peers when the message is at the far end, which neither syncs',
        'ours is compressed, sealed and signed; the peers send JSON in clear over plain TCP',
      ],
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Ten different minutes; a longer backlog repeats them at later times. */
function sample(): Summary[][] {
  const random = uniform(7);
  const draws = Array.from({ length: SERIES }, (_, n) => signal({ noise: 0.2, seed: n + 1 }));
  let position = 0;
  return Array.from({ length: 10 }, (_, minute) => {
    const windows = draws.map(() => new WindowAccumulator());
    for (let second = 0; second < 60; second++) {
      for (const [n, draw] of draws.entries()) {
        const time = minute * MINUTE + second * 1000 + 20 + jitter(random);
        const reading = { series: '', time, value: draw(), position: ++position } as const;
        windows[n].add({ ...reading, quality: 'good', clock: 'device' });
      }
    }
    return windows.map((window) => window.summary());
  });
}

const nameOf = (n: number): string => `site/line${n % 100}/sensor${Math.floor(n / 100)}`;

/** The summary of minute `minute`, at the time of minute `at`. */
function moved(summary: Summary, minute: number, at: number): Summary {
  const by = (at - minute) * MINUTE;
  const { first, last } = summary;
  return {
    ...summary,
    first: first && { ...first, time: first.time + by },
    last: last && { ...last, time: last.time + by },
  };
}

function messagesOf(minutes: readonly Summary[][], count: number): { topic: string; payload: string }[] {
  const messages: { topic: string; payload: string }[] = [];
  for (let at = 0; at < count; at++) {
    for (const [n, summary] of minutes[at % minutes.length].entries()) {
      const { count: readings, sum, squares, min, max, first, last, sketch, anomalies } = summary;
      const buckets = [...sketch.positive, ...[...sketch.negative].map(([bucket, of]) => [-bucket, of])];
      const payload = JSON.stringify({
        start: at * MINUTE,
        count: readings,
        sum: decimalToString(sum),
        squares: decimalToString(squares),
        min,
        max,
        first: [first?.time, first?.value],
        last: [last?.time, last?.value],
        buckets,
        anomalies,
      });
      messages.push({ topic: nameOf(n), payload });
    }
  }
  return messages;
}

async function drainTidegate(
  directory: string,
  minutes: readonly Summary[][],
): Promise<{ perSecond: number; seconds: number }> {
  mkdirSync(path.join(directory, 'vault'), { recursive: true });
  const file = path.join(directory, 'key');
  createKeyFile(file);
  const at = ['--dir', path.join(directory, 'cloud'), '--json'];
  const run = [CLOUD_CLI, 'run', ...at, '--port', '0', '--mqtt-port', '0'];
  const cloud = new Program('cloud', process.execPath, run);
  const vault = await openVault({ directory: path.join(directory, 'vault'), key: { file } });
  let link: TcpProxy | undefined;
  try {
    const { broker } = await cloud.json<{ broker: string }>();
    link = await TcpProxy.open(Number(new URL(broker).port));
    const brokerUrl = `mqtt://127.0.0.1:${link.port}`;
    const enrolling = [CLOUD_CLI, 'enroll', 'site', ...at, '--broker-url', brokerUrl];
    const enroll = new Program('enroll', process.execPath, enrolling);
    const { token } = await enroll.json<{ token: string }>();
    await layDown(vault, minutes);
    await vault.fold();
    let sentAt = 0;
    link.capture = () => {
      sentAt ||= performance.now();
    };
    const bridge = new Bridge({
      vault,
      enrolment: await storeEnrolment(vault, token),
      broker: { url: brokerUrl },
      intervalMs: 1000,
    });
    await bridge.start();
    const waited = performance.now();
    while ((await vault.stats()).blocksWaiting > 0) {
      if (performance.now() - waited > PATIENCE_MS)
        throw new Error(`it did not drain: ${JSON.stringify(bridge.status())}`);
      await sleep(50);
    }
    const seconds = (performance.now() - sentAt) / 1000;
    await bridge.stop();
    return { perSecond: (SERIES * MINUTES) / seconds, seconds };
  } finally {
    await vault.close();
    await link?.close();
    await cloud.stop();
  }
}

async function layDown(vault: Vault, minutes: readonly Summary[][]): Promise<void> {
  const outgoing = await outgoingOf(vault);
  await outgoing.grant('#');
  const numbers = Array.from({ length: SERIES }, (_, n) => vault.series.number(nameOf(n)));
  const begin = Math.floor(Date.now() / MINUTE) - MINUTES - 1;
  for (let passed = 0; passed < MINUTES; passed++) {
    const minute = passed % minutes.length;
    const at = begin + passed;
    const parts = minutes[minute].map((summary, n): Part => ({
      series: numbers[n],
      windowStart: at * MINUTE,
      summary: moved(summary, minute, at),
    }));
    await outgoing.commitParts(parts, 60, []);
  }
}

/** Messages a second, from the first one that comes over the bridge to the last. */
async function drainMosquitto(
  binary: string,
  directory: string,
  messages: readonly { topic: string; payload: string }[],
  limits: readonly string[],
): Promise<number> {
  mkdirSync(directory, { recursive: true });
  const [nearPort, farPort] = [await freePort(), await freePort()];
  const common = ['allow_anonymous true', 'persistence false', 'max_queued_messages 0', ...limits];
  writeFileSync(path.join(directory, 'far.conf'), [`listener ${farPort} 127.0.0.1`, ...common, ''].join('\n'));
  writeFileSync(
    path.join(directory, 'near.conf'),
    [
      `listener ${nearPort} 127.0.0.1`,
      ...common,
      'connection far',
      `address 127.0.0.1:${farPort}`,
      'topic # out 1',
      'cleansession false',
      'restart_timeout 1',
      'try_private false',
      '',
    ].join('\n'),
  );
  const near = new Program('mosquitto near', binary, ['-c', path.join(directory, 'near.conf')]);
  await near.line(/running/);
  const far = new Program('mosquitto far', binary, ['-c', path.join(directory, 'far.conf')]);
  await far.line(/running/);
  await sleep(3_000);
  await far.kill();
  let again: Program | undefined;
  let reader: mqtt.MqttClient | undefined;
  try {
    const sensor = await mqtt.connectAsync(`mqtt://127.0.0.1:${nearPort}`);
    for (let at = 0; at < messages.length; at += UNDER_WAY)
      await Promise.all(
        messages.slice(at, at + UNDER_WAY).map(({ topic, payload }) => sensor.publishAsync(topic, payload, { qos: 1 })),
      );
    await sensor.endAsync();
    again = new Program('mosquitto far', binary, ['-c', path.join(directory, 'far.conf')]);
    await again.line(/running/);
    reader = await mqtt.connectAsync(`mqtt://127.0.0.1:${farPort}`);
    let received = 0;
    let [first, last] = [0, 0];
    reader.on('message', (topic) => {
      if (topic.startsWith('$')) return;
      first ||= performance.now();
      last = performance.now();
      received++;
    });
    await reader.subscribeAsync('site/#', { qos: 0 });
    const waited = performance.now();
    while (received < messages.length) {
      if (performance.now() - waited > PATIENCE_MS)
        throw new Error(`mosquitto brought ${received} of ${messages.length} messages`);
      await sleep(20);
    }
    return (1000 * messages.length) / (last - first);
  } finally {
    await reader?.endAsync();
    await near.kill();
    await again?.kill();
  }
}

/** Messages a second, from the moment at which the hub is there until its stream has all of them. */
async function drainNats(
  binary: string,
  directory: string,
  messages: readonly { topic: string; payload: string }[],
): Promise<number> {
  mkdirSync(directory, { recursive: true });
  const ports = await natsPorts();
  const leaf = await startNats(binary, directory, 'leaf', { client: ports.leaf, leaves: ports.leaves }, 'leaf');
  let hub: Program | undefined;
  const clients: NatsClient[] = [];
  try {
    const near = await NatsClient.connect(ports.leaf);
    clients.push(near);
    await near.ask('$JS.API.STREAM.CREATE.windows', { name: 'windows', subjects: ['site.>'], storage: 'file' });
    for (let at = 0; at < messages.length; at += UNDER_WAY)
      await Promise.all(
        messages
          .slice(at, at + UNDER_WAY)
          .map(({ topic, payload }) => near.request(topic.replaceAll('/', '.'), payload)),
      );
    hub = await startNats(binary, directory, 'hub', { client: ports.hub, leaves: ports.leaves }, 'hub');
    const far = await NatsClient.connect(ports.hub);
    clients.push(far);
    const started = performance.now();
    await far.ask('$JS.API.STREAM.CREATE.all', {
      name: 'all',
      storage: 'file',
      sources: [{ name: 'windows', external: { api: '$JS.leaf.API', deliver: '' } }],
    });
    // Until the first has come the leaf may still have to connect: that is not what is measured.
    let [first, counted] = [0, 0];
    for (;;) {
      const { state } = await far.ask<{ state: { messages: number } }>('$JS.API.STREAM.INFO.all');
      if (state.messages > 0 && first === 0) [first, counted] = [performance.now(), state.messages];
      if (state.messages >= messages.length) break;
      if (performance.now() - started > PATIENCE_MS)
        throw new Error(`NATS brought ${state.messages} of ${messages.length} messages`);
      await sleep(10);
    }
    return (1000 * (messages.length - counted)) / (performance.now() - first);
  } finally {
    for (const client of clients) client.close();
    await hub?.kill();
    await leaf.kill();
  }
}
