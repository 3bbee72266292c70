import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import type { Alert } from '@tidegate/nodes/detect';
import type { Reading, Value } from '@tidegate/nodes/reading';
import { addReading, emptySummary } from '@tidegate/nodes/summary';
import { Bridge, outgoingOf, storeEnrolment, type Outgoing } from '@tidegate/nodes/sync';
import { createKeyFile, openVault, type Vault } from '@tidegate/nodes/vault';

/** What one series measured in one window of a minute. */
export interface Minute {
  series: string;
  unit?: string;
  /** Epoch milliseconds, a whole minute. */
  windowStart: number;
  values: readonly Value[];
  /** Score of the readings when they lay in an anomaly. */
  anomaly?: number;
}

/**
 * The sending half of a gateway without Node-RED and without sensors: a real vault, its outbox and the bridge to a
 * cloud. Tests decide what has been measured.
 */
export class Edge {
  private readonly directory: string;
  readonly vault: Vault;
  readonly outgoing: Outgoing;
  private readonly bridge: Bridge;

  private constructor(directory: string, vault: Vault, outgoing: Outgoing, bridge: Bridge) {
    this.directory = directory;
    this.vault = vault;
    this.outgoing = outgoing;
    this.bridge = bridge;
  }

  /** Opens a new vault, enrols it with a token and connects; every series is granted. */
  static async start(token: string, brokerUrl: string): Promise<Edge> {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-edge-'));
    const file = path.join(directory, 'key');
    createKeyFile(file);
    const vaultDirectory = path.join(directory, 'vault');
    mkdirSync(vaultDirectory);
    const vault = await openVault({ directory: vaultDirectory, key: { file } });
    const outgoing = await outgoingOf(vault);
    await outgoing.grant('#');
    const enrolment = await storeEnrolment(vault, token);
    const bridge = new Bridge({ vault, enrolment, broker: { url: brokerUrl }, intervalMs: 200 });
    await bridge.start();
    return new Edge(directory, vault, outgoing, bridge);
  }

  /** Journals the readings and sends their summaries, as tide-ingest and tide-summarize do. */
  async measured(minutes: readonly Minute[]): Promise<void> {
    const parts = [];
    for (const minute of minutes) {
      const readings = readingsOf(minute);
      const position = await this.vault.journal.append({ source: 'test', readings });
      const summary = readings.reduce(
        (sum, reading, i) => addReading(sum, { ...reading, position: position + i }),
        emptySummary(),
      );
      parts.push({ series: this.vault.series.number(minute.series), windowStart: minute.windowStart, summary });
    }
    await this.outgoing.commitParts(parts, 60, []);
  }

  async alert(alert: Alert): Promise<void> {
    await this.outgoing.commitAlert(alert, []);
  }

  /** Why the bridge does not get on, for error messages. */
  status(): string {
    return JSON.stringify(this.bridge.status());
  }

  async close(): Promise<void> {
    await this.bridge.stop();
    await this.vault.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function readingsOf({ series, unit, windowStart, values, anomaly }: Minute): Reading[] {
  return values.map((value, i) => ({
    series,
    time: windowStart + Math.floor((i * 60_000) / values.length),
    value,
    quality: 'good',
    clock: 'device',
    ...(unit === undefined ? {} : { unit }),
    ...(anomaly === undefined ? {} : { anomaly }),
  }));
}
