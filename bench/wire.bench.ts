/**
 * Bytes on the wire for a one-minute summary with sketch: an hour of 1,000 series, in blocks of a minute as tide-summarize
 * seals them, from a real gateway to a real cloud. Counted is all that the gateway sends over its TCP connections, MQTT,
 * frames, signatures and handshakes included. Beside it the same summaries as CBOR and JSON, and the readings themselves
 * as JSON, one PUBLISH each.
 */
import path from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { WindowAccumulator, decimalToString, type Part } from '@tidegate/nodes/summary';
import { encodeCbor, outgoingOf } from '@tidegate/nodes/sync';
import { openVault, type Vault } from '@tidegate/nodes/vault';
import { Site } from '../test/support/site.ts';
import { publishPacket } from './support/packets.ts';
import type { Report } from './support/report.ts';
import { jitter, signal, uniform } from './support/signal.ts';

const SERIES = 1_000;
const UNITS = ['°C', 'bar', 'mm/s', 'kW', 'A', 'l/min', '%', 'rpm'];
const MINUTES = 60;
const MINUTE = 60_000;
/** Longest wait for the gateway to send everything. */
const PATIENCE_MS = 300_000;

export async function run(progress: (text: string) => void): Promise<Report> {
  const quiet = await measured(0.2, progress);
  const noisy = await measured(1, progress);
  const withUnits = await measured(0.2, progress, UNITS);
  return {
    figures: {
      wire_bytes_per_window: quiet.wire,
      wire_bytes_per_window_noise_1: noisy.wire,
      wire_bytes_per_window_with_units: withUnits.wire,
      cbor_bytes_per_window: quiet.cbor,
      cbor_deflated_bytes_per_window: quiet.cborDeflated,
      json_bytes_per_window: quiet.json,
      json_deflated_bytes_per_window: quiet.jsonDeflated,
      raw_json_bytes_per_window: quiet.raw,
      ratio_raw_json: quiet.raw / quiet.wire,
      ratio_json_deflated: quiet.jsonDeflated / quiet.wire,
    },
    goals: { wire_bytes_per_window: { max: 12 }, ratio_raw_json: { min: 300 } },
    notes: [
      `${SERIES} series at 1 Hz, ${MINUTES} windows of a minute each, two decimals, 20 ms of jitter; noise sd 0.2 and 1`,
      'with_units: each reading says its unit, one of eight',
      'wire: what the gateway sends over TCP from the first HELLO until the cloud has everything, names of series excepted, which are sent once',
      'cbor, json: a thousand summaries of a minute in one array, no envelope, no encryption; deflated: that array as one piece',
      'raw_json: sixty QoS 1 PUBLISH packets, payload {"time":…,"value":…}',
    ],
  };
}

interface Sizes {
  wire: number;
  cbor: number;
  cborDeflated: number;
  json: number;
  jsonDeflated: number;
  raw: number;
}

async function measured(
  noise: number,
  progress: (text: string) => void,
  units: readonly string[] = [],
): Promise<Sizes> {
  const site = await Site.make({ grants: ['site/#'] });
  try {
    const sensors = new Plant(noise, units);
    progress(`noise ${noise}: names`);
    await withVault(site, (vault) =>
      seal(
        vault,
        sensors.minute((n) => vault.series.number(nameOf(n))),
      ),
    );
    await sendAll(site);
    progress(`noise ${noise}: ${MINUTES} minutes`);
    const sums = { cbor: 0, cborDeflated: 0, json: 0, jsonDeflated: 0 };
    await withVault(site, async (vault) => {
      for (let minute = 0; minute < MINUTES; minute++) {
        const parts = sensors.minute((n) => vault.series.number(nameOf(n)));
        await seal(vault, parts);
        const rows = parts.map(({ series, windowStart, summary }) => rowOf(vault, series, windowStart, summary));
        const cbor = encodeCbor(rows);
        const json = Buffer.from(JSON.stringify(rows));
        sums.cbor += cbor.length;
        sums.cborDeflated += deflateRawSync(cbor).length;
        sums.json += json.length;
        sums.jsonDeflated += deflateRawSync(json).length;
      }
    });
    const bytes = await sendAll(site);
    const windows = SERIES * MINUTES;
    return {
      wire: bytes / windows,
      cbor: sums.cbor / windows,
      cborDeflated: sums.cborDeflated / windows,
      json: sums.json / windows,
      jsonDeflated: sums.jsonDeflated / windows,
      raw: sensors.rawBytes / (windows + SERIES),
    };
  } finally {
    await site.close();
  }
}

const nameOf = (n: number): string => `site/line${n % 100}/sensor${Math.floor(n / 100)}`;

/** Sensors at 1 Hz, and what their readings would take as JSON. */
class Plant {
  rawBytes = 0;
  private readonly draws: (() => number)[];
  private readonly units: readonly string[];
  private readonly random = uniform(7);
  private windowStart = Math.floor(Date.now() / MINUTE) * MINUTE - (MINUTES + 2) * MINUTE;
  private position = 0;

  constructor(noise: number, units: readonly string[]) {
    this.units = units;
    this.draws = Array.from({ length: SERIES }, (_, n) => signal({ noise, seed: n + 1 }));
  }

  minute(numberOf: (n: number) => number): Part[] {
    const windows = this.draws.map(() => new WindowAccumulator());
    for (let second = 0; second < 60; second++) {
      for (const [n, draw] of this.draws.entries()) {
        // 20 ms into the minute, so that jitter leaves none of it.
        const time = this.windowStart + second * 1000 + 20 + jitter(this.random);
        const value = draw();
        const reading = { series: '', time, value, position: ++this.position } as const;
        const unit = this.units[n % this.units.length];
        windows[n].add({ ...reading, quality: 'good', clock: 'device', ...(unit !== undefined && { unit }) });
        this.rawBytes += publishPacket(nameOf(n), JSON.stringify({ time, value })).bytes.length;
      }
    }
    const { windowStart } = this;
    this.windowStart += MINUTE;
    return windows.map((window, n) => ({ series: numberOf(n), windowStart, summary: window.summary() }));
  }
}

async function withVault(site: Site, work: (vault: Vault) => Promise<void>): Promise<void> {
  const key = { file: path.join(site.gatewayDirectory, 'keys/vault.key') };
  const vault = await openVault({ directory: path.join(site.gatewayDirectory, 'vault'), key });
  try {
    await work(vault);
  } finally {
    await vault.close();
  }
}

async function seal(vault: Vault, parts: readonly Part[]): Promise<void> {
  const { sealed } = await (await outgoingOf(vault)).commitParts(parts, 60, []);
  if (sealed !== parts.length) throw new Error(`${sealed} of ${parts.length} parts were sealed`);
}

/** The same as a row that somebody would write by hand. */
function rowOf(vault: Vault, series: number, start: number, summary: Part['summary']): Record<string, unknown> {
  const { count, sum, squares, min, max, first, last, sketch, anomalies } = summary;
  const buckets = [...sketch.positive, ...[...sketch.negative].map(([bucket, of]) => [-bucket, of])];
  return {
    series: vault.series.name(series),
    start,
    count,
    sum: decimalToString(sum),
    squares: decimalToString(squares),
    min,
    max,
    first: [first?.time, first?.value],
    last: [last?.time, last?.value],
    buckets,
    anomalies,
  };
}

/** Runs the gateway until the cloud has acknowledged everything; bytes that it sent. */
async function sendAll(site: Site): Promise<number> {
  let bytes = 0;
  site.link.capture = (_connection, chunk) => {
    bytes += chunk.length;
  };
  await site.startGateway();
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const output = await site.tidegate('status', site.gatewayDirectory, '--json');
    const status = JSON.parse(output.slice(output.indexOf('{'))) as { vault: { blocksWaiting: number } };
    if (status.vault.blocksWaiting === 0) break;
    if (Date.now() > deadline) throw new Error(`${status.vault.blocksWaiting} blocks wait still`);
    await sleep(300);
  }
  await site.gateway?.stop();
  return bytes;
}
