import { TideError, TlsStore, systemClock, type TlsFiles } from '@tidegate/nodes/node';

import { isLoopback, namingOption } from '../listening.ts';
import type { BrokerPlace } from '../merge/worker-messages.ts';
import { WORKER_NAME } from './access.ts';
import { Broker } from './mqtt-broker.ts';

export interface BrokerSettings {
  /** `embedded`, or the URL of an MQTT broker. Its user and password may stand in the URL. */
  broker?: string;
  /** Port of the embedded broker; 0 takes a free one. */
  mqttPort?: number;
  /** Where the embedded broker listens, default 127.0.0.1. */
  mqttHost?: string;
  /**
   * Certificates: those that the embedded broker shows, with `caFile` the authorities of gateways that may connect; or, with
   * a broker elsewhere, what is shown to it and trusted of it.
   */
  mqttTls?: TlsFiles;
  /** Says that an embedded broker without TLS on another address than a loopback one is meant. */
  mqttPlain?: boolean;
  /** Connections at the embedded broker, default 10,000. */
  clients?: number;
  /** What the options that choose the ports are called where the person stands, for error messages. */
  portOptions?: { port: string; mqttPort: string };
  /** Lines for the operator: what is wrong, once when it begins. */
  log?: (line: string) => void;
}

/** Opens the embedded broker, or says where the other one is. Throws TideErrors `port-in-use`, `bad-broker`, `bad-certificate`, … */
export async function startBroker(
  options: BrokerSettings,
  workerPassword: string,
  stops: (() => Promise<void> | void)[],
): Promise<BrokerPlace> {
  const { broker = 'embedded', mqttHost = '127.0.0.1', mqttPort = 1884, clients = 10_000, mqttTls } = options;
  const log = options.log ?? ((): void => undefined);
  if (broker !== 'embedded') return elsewhere(broker, mqttTls);
  const tls = listenerFiles(mqttTls);
  if (tls === undefined && !isLoopback(mqttHost) && options.mqttPlain !== true)
    log(
      `the broker at ${mqttHost} speaks no TLS: names of gateways, sizes and times can be read on the way, what the frames ` +
        'hold cannot. Name --mqtt-cert and --mqtt-key, or say --mqtt-plain',
    );
  const own = new Broker({
    host: mqttHost,
    port: mqttPort,
    workerPassword,
    clients,
    ...(tls === undefined ? {} : { tls }),
    complain: seldom(log),
  });
  stops.push(() => own.stop());
  await namingOption(own.start(), options.portOptions?.mqttPort ?? '--mqtt-port');
  if (own.certificate !== undefined && own.certificate.validTo < systemClock.now())
    log(`the broker's certificate (${own.certificate.subject}) has expired; no gateway will connect`);
  const reach = mqttHost === '0.0.0.0' ? '127.0.0.1' : mqttHost === '::' ? '::1' : mqttHost;
  const shown = reach.includes(':') ? `[${reach}]` : reach;
  return {
    embedded: true,
    shown: `${tls === undefined ? 'mqtt' : 'mqtts'}://${shown}:${own.port}`,
    url: tls === undefined ? `mqtt://${shown}:${own.port}` : `mqtt://127.0.0.1:${own.innerPort}`,
    username: WORKER_NAME,
    password: workerPassword,
  };
}

function listenerFiles(files: TlsFiles = {}): (TlsFiles & { certFile: string; keyFile: string }) | undefined {
  const { certFile, keyFile } = files;
  if (certFile !== undefined && keyFile !== undefined) return { ...files, certFile, keyFile };
  if (Object.values(files).every((file) => file === undefined)) return undefined;
  throw new TideError('bad-certificate', 'TLS needs both: name --mqtt-cert and --mqtt-key');
}

function elsewhere(text: string, tls: TlsFiles = {}): BrokerPlace {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^(mqtts?|wss?|tcp|ssl):$/.test(url.protocol) || url.hostname === '')
    throw new TideError(
      'bad-broker',
      `broker: found ${JSON.stringify(text)}, allowed: embedded, or a URL like mqtt://HOST:1883`,
    );
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const shown = url.href.replace(/\/$/, '');
  const named = Object.values(tls).some((file) => file !== undefined);
  if (named && !/^(mqtts|wss|ssl):$/.test(url.protocol))
    throw new TideError('bad-broker', `broker: ${shown} speaks no TLS, but a certificate is named; write mqtts://`);
  // What is wrong with the files is said at once, not by the worker again and again.
  new TlsStore(tls).read();
  return {
    embedded: false,
    shown,
    url: shown,
    ...(named ? { tls } : {}),
    ...(username === '' ? {} : { username: decodeURIComponent(username), password: decodeURIComponent(password) }),
  };
}

const SELDOM_MS = 60_000;
const MAX_REMEMBERED = 100;

/** Passes on each line at most once a minute: what strangers cause must not fill a log. */
function seldom(log: (line: string) => void): (line: string) => void {
  const last = new Map<string, number>();
  return (line) => {
    const now = systemClock.monotonic();
    if (now - (last.get(line) ?? Number.NEGATIVE_INFINITY) < SELDOM_MS) return;
    if (last.size >= MAX_REMEMBERED) last.clear();
    last.set(line, now);
    log(`broker: ${line}`);
  };
}
