import os from 'node:os';
import path from 'node:path';

import { type Door, doorOf, doorRulesOf } from '@tidegate/nodes/ingest';
import { type Clock, reasonOf, TideError } from '@tidegate/nodes/node';
import { keepTime, openVault, RENEWAL, type Timekeeper, type Vault } from '@tidegate/nodes/vault';

import { Exports } from '../backup/exports.ts';
import { gatewayFiles } from '../backup/file-gateway.ts';
import { ExportServer, exportSocket } from '../backup/http-export.ts';
import { Broker } from '../broker/mqtt-broker.ts';
import { CONFIG_FILE } from '../config/file-config.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { cloudVariables, listenerFilesOf } from '../config/tls-files.ts';
import { vaultOptionsOf } from '../config/vault-options.ts';
import { ControlServer } from '../control/http-control.ts';
import type { Controlled } from '../control/requests.ts';
import { socketPath } from '../control/socket-path.ts';
import type { GatewayStatus } from '../control/status.ts';
import { Editor } from '../editor/http-editor.ts';
import { PasswordCheck } from '../login/password.ts';
import { CommitWatch } from '../metrics/commit-watch.ts';
import { exposed } from '../metrics/exposition.ts';
import { metricsOf } from '../metrics/gateway-metrics.ts';
import { MetricsServer } from '../metrics/http-metrics.ts';
import { VERSION } from '../version.ts';
import { CREDENTIALS } from './derived-secret.ts';
import { readFlow, USER_DIR } from './file-flow.ts';
import { LoopDelay } from './loop-delay.ts';
import { processUse } from './process-use.ts';
import { Rate } from './rate.ts';
import { vaultControl } from './vault-control.ts';
import { vaultStatus } from './vault-status.ts';

export interface GatewayOptions {
  directory: string;
  config: GatewayConfig;
  log: (line: string) => void;
  /** What to call the places of the ports in an error, e.g. `gateway.yaml: mqtt.port`. */
  portNames: { mqtt: string; editor: string };
  /** Told when the vault is to be opened anew, because another copy of it writes under its incarnation. */
  onRenewal?: () => void;
}

/**
 * The device: vault, door and broker, then Node-RED. The door is open before the flows start and after they stop, so
 * readings are committed and acknowledged whatever the flows do.
 */
export class Gateway {
  private readonly options: GatewayOptions;
  private readonly clock: Clock;
  private readonly rate: Rate;
  private readonly loop: LoopDelay;
  /** Ends what has been started, last first. */
  private readonly undo: (() => Promise<void>)[] = [];
  private vault: Vault | undefined;
  private keeper: Timekeeper | undefined;
  private door: Door | undefined;
  private broker: Broker | undefined;
  private editor: Editor | undefined;
  private readonly watch: CommitWatch;
  private metricsServer: MetricsServer | undefined;
  private startedAt = 0;

  constructor(options: GatewayOptions, clock: Clock) {
    this.options = options;
    this.clock = clock;
    this.rate = new Rate(clock);
    this.loop = new LoopDelay(clock);
    this.watch = new CommitWatch(clock);
  }

  /** Starts everything, or ends what was started and throws. */
  async start(): Promise<void> {
    this.startedAt = this.clock.now();
    try {
      await this.openDoor();
      await this.startEditor();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Stops the flows, then the broker, then the vault. */
  async stop(): Promise<void> {
    for (const step of this.undo.splice(0).toReversed()) await step();
  }

  get editorUrl(): string {
    return `http://${shownHost(this.options.config.editor.host)}:${this.editor?.port ?? 0}`;
  }

  get brokerUrl(): string {
    return `mqtt://${shownHost(this.options.config.mqtt.host)}:${this.broker?.port ?? 0}`;
  }

  /** Null when the configuration names no certificate for sensors. */
  get secureBrokerUrl(): string | null {
    const { tls } = this.options.config.mqtt;
    return tls === undefined ? null : `mqtts://${shownHost(tls.host)}:${this.broker?.tlsPort ?? 0}`;
  }

  /** Where `/metrics` and `/healthz` are; null when the configuration does not open them. */
  get metricsUrl(): string | null {
    const { metrics } = this.options.config;
    return metrics === undefined ? null : `http://${shownHost(metrics.host)}:${this.metricsServer?.port ?? 0}`;
  }

  /** The open vault, for what runs in the same process. */
  get openVault(): Vault {
    if (this.vault === undefined) throw new TideError('not-running', 'the gateway is not running');
    return this.vault;
  }

  async status(): Promise<GatewayStatus> {
    const door = this.door!.stats();
    const broker = this.broker!.stats();
    return {
      name: this.options.config.name,
      running: true,
      process: {
        pid: process.pid,
        startedAt: this.startedAt,
        editor: this.editorUrl,
        flows: this.editor?.flows ?? 'not started',
        broker: this.brokerUrl,
        secureBroker: this.secureBrokerUrl,
        clients: broker.clients,
        messages: door.messages,
        readings: door.readings,
        readingsPerSecond: Number(this.rate.perSecond().toFixed(1)),
        rejected: door.rejected,
        duplicates: door.duplicates,
        refused: door.refused,
        waitingMessages: door.waitingMessages,
        waitingBytes: door.waitingBytes,
        stuck: this.watch.stuck,
        cut: broker.cut,
        metrics: this.metricsUrl,
        ...processUse(),
        loopDelayP99Ms: this.loop.p99Ms,
        loopDelayMaxMs: this.loop.maxMs,
      },
      ...(await vaultStatus(this.openVault)),
    };
  }

  /** What the control socket reaches. */
  private controlled(): Controlled {
    const keeper = this.keeper!;
    return {
      ...vaultControl(this.openVault),
      status: () => this.status(),
      metrics: async () => exposed(metricsOf(await this.status(), VERSION)),
      trustClock: async () => {
        await keeper.operator();
        return keeper.state;
      },
    };
  }

  /** Vault, door, broker: from here on readings are taken in. */
  private async openDoor(): Promise<void> {
    const { directory, config, log } = this.options;
    const vault = await openVault(vaultOptionsOf(directory, config), this.clock);
    this.undo.push(() => vault.close());
    this.vault = vault;
    const { onRenewal } = this.options;
    if (onRenewal !== undefined)
      vault.onChange(({ kind, name }) => kind === 'document' && name === RENEWAL.namespace && onRenewal());
    const time = await keepTime(vault, (error) => log(`clock: ${reasonOf(error)}`));
    this.undo.push(() => time.stop());
    this.keeper = time.keeper;
    const { payloadBytes, clientBytes, clients, commitTimeoutMs } = config.limits;
    const door = doorOf(vault, this.clock, {
      maxPayloadBytes: payloadBytes,
      maxBytesPerClient: clientBytes,
      commitTimeoutMs,
      keeper: time.keeper,
      onError: (error) => log(`door: ${reasonOf(error)}`),
    });
    this.undo.push(() => door.close());
    for (const [id, rule] of doorRulesOf(await readFlow(directory))) door.setRule(id, rule);
    this.door = door;
    const { host, port, users, tls } = config.mqtt;
    const files = listenerFilesOf(directory, config.mqtt);
    const broker = new Broker(
      door,
      {
        host,
        port,
        ...(users === undefined ? {} : { users }),
        ...(tls === undefined || files === undefined ? {} : { tls: { host: tls.host, port: tls.port, files } }),
        payloadBytes,
        clientBytes,
        clients,
        commitTimeoutMs,
        log,
      },
      this.clock,
    );
    await named(this.options.portNames.mqtt, () => broker.start());
    this.undo.push(() => broker.stop());
    this.broker = broker;
    this.loop.start();
    this.undo.push(async () => this.loop.stop());
    const sampling = setInterval(() => {
      this.loop.sample();
      const stats = door.stats();
      this.rate.sample(stats.readings);
      this.watch.sample({ ...stats, head: vault.journal.head });
    }, 1_000);
    this.undo.push(async () => clearInterval(sampling));
    await this.startMetrics();
  }

  /** Open before the flows start, so that a start that takes long can be watched. */
  private async startMetrics(): Promise<void> {
    const { metrics } = this.options.config;
    if (metrics === undefined) return;
    const server = new MetricsServer({ ...metrics, version: VERSION, status: () => this.status() });
    await named(`${CONFIG_FILE}: metrics.port`, () => server.start());
    this.undo.push(() => server.stop());
    this.metricsServer = server;
  }

  /** Control socket and Node-RED. */
  private async startEditor(): Promise<void> {
    const { directory, config, log } = this.options;
    const control = new ControlServer(this.controlled(), socketPath(directory, os.tmpdir(), process.platform));
    await control.start();
    this.undo.push(() => control.stop());
    const exports = new ExportServer(
      new Exports(this.openVault, {
        name: config.name,
        files: () => gatewayFiles(directory),
        now: () => this.clock.now(),
      }),
      exportSocket(socketPath(directory, os.tmpdir(), process.platform)),
    );
    await exports.start();
    this.undo.push(() => exports.stop());
    const passwords = new PasswordCheck([{ name: config.editor.user, passwordHash: config.editor.passwordHash }]);
    const editor = new Editor({
      name: config.name,
      host: config.editor.host,
      port: config.editor.port,
      userDir: path.join(directory, USER_DIR),
      user: config.editor.user,
      login: (user, password) => passwords.matches(user, password),
      // Of the vault, not of its key, which may rotate.
      credentialSecret: await this.openVault.keys.derived(CREDENTIALS),
      tidegate: { vault: this.openVault, door: this.door! },
      log,
    });
    // By these the shipped flow finds the gateway's own broker and the cloud's.
    process.env['TIDEGATE_MQTT_PORT'] = String(this.broker!.port);
    Object.assign(process.env, cloudVariables(directory, config.cloud));
    await named(this.options.portNames.editor, () => editor.listen());
    this.undo.push(() => editor.stop());
    this.editor = editor;
    await editor.start();
  }
}

/** Adds to an error about a port by what it can be changed. */
async function named<T>(place: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof TideError)
      throw new TideError(error.code, `${error.message}; change it with ${place}`, { cause: error });
    throw error;
  }
}

const shownHost = (host: string): string =>
  host === '0.0.0.0' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
