import { setTimeout as pauseFor } from 'node:timers/promises';

import type { GatewaysAnswer } from '@tidegate/cloud-bridge';
import { TideError, type Clock } from '@tidegate/nodes/node';
import { streamOf } from '@tidegate/nodes/summary';
import { Bridge, outgoingOf, storeEnrolment, type Outgoing } from '@tidegate/nodes/sync';
import { openVault, type Vault, type VaultOptions } from '@tidegate/nodes/vault';

import { BacklogMaker } from './backlog-maker.ts';
import { DAY, LADDER, Measured, PARTS_A_DAY } from './backlog.ts';
import { CatchUp } from './catch-up.ts';
import { askCloud, Traffic } from './http-traffic.ts';
import { quantileOf, type DrillResult } from './drill-result.ts';
import { DrillThread } from './file-threads.ts';
import type { LinkShape } from './link-shape.ts';
import { overtakingIn, type LoggedPackets, type LogRow, type Overtaking } from './packet-log.ts';
import type { CloudAsk, LinkAsk } from './threads.ts';

/** Name of the drill's gateway at the drill's cloud. */
const GATEWAY = 'drill';
const PURPOSE = 'operations';
/** Blocks go out in batches of this interval; a gateway's own default is a minute. */
const INTERVAL_MS = 1000;
const LOOK_MS = 100;
/** A drill may take so many times as long as the link alone would need, and this long besides. */
const PATIENCE = 10;
const PATIENCE_MS = 600_000;

export interface DrillOptions {
  /** Where the drill's cloud may write. */
  cloudDirectory: string;
  /** The vault to fill; nobody else may need it. */
  vault: VaultOptions;
  days: number;
  series: number;
  link: LinkShape;
  /** Is given every packet that went to the cloud, and the alerts that were raised, in order of time; `start` is when the link was back. */
  packets?: (packets: LoggedPackets, start: number) => Promise<void>;
  /** Ends the drill after so many seconds of the fine fill. */
  fineSeconds?: number;
  /** How far it is, 0 to 1 for each of its two stages, and in words. */
  progress: (stage: 'making' | 'catching up', share: number, facts: string) => void;
  signal: AbortSignal;
  clock: Clock;
}

/** Makes a gap, cuts and restores the link to a cloud of its own, and measures how it is closed. Leaves nothing running. */
export async function drillOutage(options: DrillOptions): Promise<DrillResult> {
  // Last started, first stopped.
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const drill = await prepare(options, undo);
    return await run(options, drill, undo);
  } finally {
    for (const step of undo.toReversed()) await step();
  }
}

interface Drill {
  vault: Vault;
  outgoing: Outgoing;
  bridge: Bridge;
  link: DrillThread<LinkAsk>;
  measured: Measured;
  page: string;
  /** End of the gap. */
  end: number;
}

async function prepare(options: DrillOptions, undo: (() => Promise<unknown>)[]): Promise<Drill> {
  const { cloudDirectory, days, series, clock, progress, signal } = options;
  const cloud = await DrillThread.start<CloudAsk>('cloud-worker', { directory: cloudDirectory });
  undo.push(() => cloud.close());
  const { page, broker } = cloud.ready as { page: string; broker: string };
  const token = await cloud.ask('token');
  const link = await DrillThread.start<LinkAsk>('link-worker', {
    target: Number(new URL(broker).port),
    shape: options.link,
    logged: options.packets !== undefined,
  });
  undo.push(() => link.close());
  const vault = await openVault(options.vault, clock);
  undo.push(() => vault.close());
  const outgoing = await outgoingOf(vault);
  await outgoing.grant('drill/#', PURPOSE);
  const enrolment = await storeEnrolment(vault, String(token));
  const numbers = Array.from({ length: series }, (_, n) => vault.series.number(seriesName(n)));
  const measured = new Measured(numbers);
  const end = Math.floor(clock.now() / DAY) * DAY;
  // The first window that is sealed brings the names.
  await outgoing.commitParts(measured.window(60, end), 60, [], PURPOSE);
  const maker = new BacklogMaker(vault, numbers, PURPOSE);
  undo.push(() => maker.close());
  await maker.make(end - days * DAY, end, (share, facts) => progress('making', share, facts), signal);
  await maker.close();
  const url = `mqtt://127.0.0.1:${Number(link.ready)}`;
  const bridge = new Bridge({ vault, enrolment, broker: { url }, intervalMs: INTERVAL_MS });
  return { vault, outgoing, bridge, link, measured, page, end };
}

async function run(
  options: DrillOptions,
  { vault, outgoing, bridge, link, measured, page, end }: Drill,
  undo: (() => Promise<unknown>)[],
): Promise<DrillResult> {
  const { days, series, clock, signal, progress } = options;
  undo.push(() => bridge.stop());
  await bridge.start();
  await pause(LOOK_MS, signal);
  const streams = await vault.outbox.streams();
  const waited = streams.reduce((sum, { count, bytes }) => ({ blocks: sum.blocks + count, bytes: sum.bytes + bytes }), {
    blocks: 0,
    bytes: 0,
  });
  const windows = days * series;
  const parts = LADDER.reduce((sum, rung) => sum + PARTS_A_DAY[rung] * windows, 0);
  await link.ask('restore');
  const restored = clock.now();
  const started = clock.monotonic();
  const catchUp = new CatchUp(streams, options.link, started, streamOf(PURPOSE, 60));
  const traffic = new Traffic({
    page,
    outgoing,
    clock,
    gateway: GATEWAY,
    ends: [seriesName(0), seriesName(series - 1)],
    window: (n) => measured.window(60, end + n * 60_000),
    windowStart: (n) => end + n * 60_000,
  });
  undo.push(() => traffic.stop());
  const patience = started + PATIENCE_MS + (PATIENCE * waited.bytes * 8000) / options.link.bitsPerSecond;
  for (;;) {
    await pause(LOOK_MS, signal);
    traffic.check();
    const { state, blocksWaiting, reason } = bridge.status()!;
    const carried = (await link.ask('carried')) as { up: number; down: number };
    const backlog = await vault.outbox.streams();
    const now = clock.monotonic();
    catchUp.look(backlog, state === 'syncing' || state === 'up-to-date', carried.up, now);
    // What comes up before waits for the connection and not for the backlog.
    if (catchUp.connectedYet) traffic.start();
    progress('catching up', catchUp.share, catchUp.facts());
    if (catchUp.done || catchUp.fineSeconds >= (options.fineSeconds ?? Infinity)) break;
    if (now > patience)
      throw new TideError('drill-stuck', `${blocksWaiting} blocks still wait; the bridge is ${state}: ${reason ?? ''}`);
  }
  const { lateness, latencies } = await traffic.settle(signal);
  let upToDate: number | null = null;
  if (catchUp.done) {
    while (bridge.status()!.state !== 'up-to-date') {
      await pause(LOOK_MS, signal);
      if (clock.monotonic() > patience) throw new TideError('drill-stuck', 'the gateway does not get up to date');
    }
    upToDate = (clock.monotonic() - started) / 1000;
  }
  const carried = (await link.ask('carried')) as { up: number; down: number };
  const { gateways } = await askCloud<GatewaysAnswer>(page, '/api/v1/gateways');
  const here = gateways.find(({ gateway }) => gateway === GATEWAY)?.parts ?? 0;
  const expected = parts + (traffic.windowsMade + 1) * series;
  if (catchUp.done && here < expected)
    throw new TideError('drill-short', `the cloud holds ${here} windows, the gateway sealed ${expected}`);
  const { framesSent, framesAgain } = bridge.status()!;
  let overtaking: Overtaking | undefined;
  if (options.packets !== undefined) {
    const raised = traffic.raisedAt.map((at): LogRow => ({
      at,
      event: 'raised',
      connection: 0,
      frame: 'alert',
      bytes: 0,
    }));
    // Of equal times an alert is raised before it is sent.
    const { rows: packets, unlogged } = (await link.ask('packets')) as LoggedPackets;
    const rows = [...raised, ...packets].toSorted((a, b) => a.at - b.at);
    overtaking = overtakingIn(rows);
    await options.packets({ rows, unlogged }, restored);
  }
  return {
    days,
    series,
    link: options.link,
    backlog: { ...waited, parts },
    connected: catchUp.connected,
    complete: LADDER.map((rung) => ({
      resolution: rung,
      parts: PARTS_A_DAY[rung] * windows,
      seconds: catchUp.completeAt(streamOf(PURPOSE, rung)),
    })),
    upToDate,
    share: catchUp.linkShare(),
    fineSeconds: catchUp.fineSeconds,
    wire: { ...carried, bytesAWindow: here === 0 ? null : carried.up / here },
    live:
      lateness.length === 0
        ? null
        : { windows: lateness.length, p50: quantileOf(lateness, 0.5), max: Math.max(...lateness) },
    alerts:
      latencies.length === 0
        ? null
        : {
            raised: latencies.length,
            p50: quantileOf(latencies, 0.5),
            p99: quantileOf(latencies, 0.99),
            max: Math.max(...latencies),
          },
    frames: { sent: framesSent, again: framesAgain },
    overtaking,
  };
}

const pause = (ms: number, signal: AbortSignal): Promise<void> => pauseFor(ms, undefined, { signal });

const seriesName = (n: number): string => `drill/line${n % 50}/sensor${n}`;
