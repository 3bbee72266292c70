import { systemClock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import type { CertificateFacts } from '../node/file-tls.ts';
import { companions } from '../node/shared.ts';
import { GRANTS } from '../privacy/grants.ts';
import { sharedStateOf } from '../state/shared-state.ts';
import { GAPS } from '../vault/gaps.ts';
import { timekeeperOf } from '../vault/timekeeper.ts';
import type { Vault } from '../vault/vault.ts';
import type { BridgeStatus } from './bridge-status.ts';
import type { Enrolment } from './enrolment-store.ts';
import { checkBroker, type BrokerOptions } from './broker-place.ts';
import { MqttTransport } from './mqtt-transport.ts';
import { outgoingOf } from './outgoing.ts';
import { Session } from './session.ts';

export interface BridgeOptions {
  vault: Vault;
  enrolment: Enrolment;
  broker: BrokerOptions;
  /** Blocks are sent in batches at this interval; alerts never wait. Milliseconds. */
  intervalMs: number;
}

/** What is shown of a connection: no secret. */
export interface Security {
  broker: string;
  caFile?: string;
  serverName?: string;
  /** The gateway's own, as last shown to the broker. */
  certificate?: CertificateFacts;
}

const running = companions<Vault, Bridge>('bridge');
const STATUS_EVERY_MS = 500;
/** A session that asks for a step again and again gets one this often. */
const SHORTEST_WAIT_MS = 5;

/** The bridge that runs for a vault in this process, if one does. */
export function bridgeOf(vault: Vault): Bridge | undefined {
  return running.get(vault);
}

/** Sends what the outbox of a vault holds and takes in what the cloud sends, from `start` to `stop`. */
export class Bridge {
  private readonly options: BridgeOptions;
  private readonly listeners = new Set<(status: BridgeStatus) => void>();
  private session: Session | undefined;
  private transport: MqttTransport | undefined;
  private unsubscribe: (() => void)[] = [];
  private timer: NodeJS.Timeout | undefined;
  private statusTimer: NodeJS.Timeout | undefined;
  private shown = '';
  private stopped = false;

  constructor(options: BridgeOptions) {
    this.options = options;
  }

  /** Throws TideError `bad-broker`, or `bridge-runs` when another bridge sends for this vault. */
  async start(): Promise<void> {
    const { vault, enrolment, broker, intervalMs } = this.options;
    checkBroker(broker);
    if (running.has(vault))
      throw new TideError('bridge-runs', 'another tide-bridge sends for this vault already; one is enough');
    running.set(vault, this);
    try {
      const outgoing = await outgoingOf(vault);
      const state = await sharedStateOf(vault);
      if (this.stopped) return;
      const { tenant, gateway } = enrolment;
      const name = { tenant, gateway, instance: vault.incarnation.slice(0, 8) };
      const transport = new MqttTransport(broker, name, {
        connected: (lane) => this.told((session) => session.connected(lane)),
        disconnected: (lane, reason, fault) => this.told((session) => session.disconnected(lane, reason, fault)),
        received: (topic, frame) => this.told((session) => session.received(topic, frame)),
        ready: () => this.told(() => undefined),
      });
      this.transport = transport;
      this.session = new Session({
        vault,
        outgoing,
        state,
        enrolment,
        transport,
        clock: systemClock,
        random: Math.random,
        intervalMs,
        cloudTime: (time) => timekeeperOf(vault)?.cloud(time),
        wake: () => this.run(),
      });
      this.unsubscribe = [
        outgoing.onAlert((alert) => this.told((session) => session.alertCommitted(alert))),
        vault.onChange(({ kind, name }) => {
          if (kind === 'block' || kind === 'alert') this.told((session) => session.outboxChanged(kind));
          else if (name === GRANTS) this.told((session) => session.outboxChanged('grants'));
          else if (name === GAPS) this.told((session) => session.outboxChanged('gap'));
        }),
      ];
      this.statusTimer = setInterval(() => this.show(), STATUS_EVERY_MS);
      transport.start();
      this.show();
      this.run();
      await outgoing.resume();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Ends the connections and stores the acknowledgements that have come. Rejects when they cannot be stored. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    for (const unsubscribe of this.unsubscribe) unsubscribe();
    clearInterval(this.statusTimer);
    clearTimeout(this.timer);
    try {
      // First what goes into the vault: in a deploy it closes soon as well.
      await this.session?.close();
    } finally {
      await this.transport?.stop();
      clearTimeout(this.timer);
      if (running.get(this.options.vault) === this) running.delete(this.options.vault);
    }
  }

  /** Undefined before it has started. */
  status(): BridgeStatus | undefined {
    return this.session?.status();
  }

  /** How the way to the broker is secured; undefined before the start. */
  security(): Security | undefined {
    const { transport } = this;
    if (transport === undefined) return undefined;
    const { url, tls, serverName } = this.options.broker;
    const { certificate } = transport;
    return {
      broker: url,
      ...(tls?.caFile === undefined ? {} : { caFile: tls.caFile }),
      ...(serverName === undefined ? {} : { serverName }),
      ...(certificate === undefined ? {} : { certificate }),
    };
  }

  /** Calls back when the status changes, at most twice a second. Returns the unsubscriber. */
  onStatus(listener: (status: BridgeStatus) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Passes an event on to the session and lets it act on it. */
  private told(event: (session: Session) => void): void {
    if (this.stopped || this.session === undefined) return;
    event(this.session);
    this.run();
  }

  private run(): void {
    if (this.stopped || this.session === undefined) return;
    const { session } = this;
    // A step reports its own failures in the status; it does not reject.
    void session.step().then(() => this.sleep(session));
  }

  private sleep(session: Session): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    const wait = session.nextWake() - systemClock.monotonic();
    if (wait === Infinity) return;
    this.timer = setTimeout(() => this.run(), Math.min(Math.max(wait, SHORTEST_WAIT_MS), 2 ** 31 - 1));
  }

  private show(): void {
    const status = this.status();
    if (status === undefined) return;
    const { state, reason, blocksWaiting, alertsWaiting, progress, refused } = status;
    const shown = JSON.stringify([state, reason, blocksWaiting, alertsWaiting, progress, refused]);
    if (shown === this.shown) return;
    this.shown = shown;
    for (const listener of this.listeners) listener(status);
  }
}
