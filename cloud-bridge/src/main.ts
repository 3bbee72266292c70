import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { TideError, systemClock } from '@tidegate/nodes/node';

import { Events } from './api/http-events.ts';
import { HttpServer } from './api/http-server.ts';
import { startBroker, type BrokerSettings } from './broker/start-broker.ts';
import { enrolGateway } from './enrol.ts';
import { labelOf } from './gateway-label.ts';
import { loadKeys, type CloudKeys } from './keys/file-keys.ts';
import { isLoopback, namingOption } from './listening.ts';
import { MergeWorker } from './merge/start-worker.ts';
import { Checkpointer } from './store/start-checkpoint-worker.ts';
import { openSqliteStore } from './store/sqlite-store.ts';
import type { Store } from './store/store.ts';

export interface CloudOptions extends BrokerSettings {
  /** Database and keys; made when it is not there. */
  directory: string;
  /** Port of API and page; 0 takes a free one. */
  port: number;
  /** Where API and page listen, default 127.0.0.1. Reading needs no login, so another host also needs `anyoneMayRead`. */
  host?: string;
  anyoneMayRead?: boolean;
  /** False leaves out the page. */
  page?: boolean;
}

export interface RunningCloud {
  pageUrl: string;
  brokerUrl: string;
  apiToken: string;
  /** A one-time token for a gateway, `tg1.…`. */
  enrol(name: string, options?: { tenant?: string }): Promise<string>;
  stop(): Promise<void>;
}

/** Settings of the store that other processes read: where the running cloud is. */
export const BROKER_URL = 'broker-url';

export const databaseFileOf = (directory: string): string => path.join(directory, 'cloud.db');

/** Opens the directory of a cloud, which need not be running. */
export function openCloudDirectory(directory: string): { store: Store; keys: CloudKeys } {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return { keys: loadKeys(directory), store: openSqliteStore(databaseFileOf(directory)) };
}

/** Starts broker, merge worker, API and page. Throws TideErrors `port-in-use`, `needs-consent`, `bad-broker`, …; nothing is left running then. */
export async function startCloud(options: CloudOptions): Promise<RunningCloud> {
  const { directory, host = '127.0.0.1', anyoneMayRead = false, log = () => undefined } = options;
  if (!isLoopback(host) && !anyoneMayRead)
    throw new TideError(
      'needs-consent',
      `reading from the API needs no login yet, so ${host} would show everything to whoever reaches it: ` +
        'keep 127.0.0.1, or say --anyone-may-read',
    );
  // Last started, first stopped.
  const stops: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) await next();
  };
  try {
    const { store, keys } = openCloudDirectory(directory);
    stops.push(() => store.close());
    const checkpointer = new Checkpointer(databaseFileOf(directory), log);
    checkpointer.start();
    stops.push(() => checkpointer.stop());
    const broker = await startBroker(options, keys.brokerPassword, stops);
    await store.setSetting(BROKER_URL, broker.shown);
    const events = new Events();
    events.start();
    stops.push(() => events.stop());
    const settings = { databaseFile: databaseFileOf(directory), identity: keys.identity, broker };
    const worker = new MergeWorker(settings, (change) => events.changed(change), log);
    const { ready } = worker.start();
    stops.push(() => worker.stop());
    // A broker elsewhere may be away: the page says so, and the worker keeps trying.
    if (broker.embedded) await ready;
    const http = new HttpServer(
      { host, port: options.port, anyoneMayRead, page: options.page ?? true, log },
      {
        store,
        clock: systemClock,
        events,
        version: versionOf(),
        apiToken: keys.apiToken,
        refusal: (gateway) => worker.refused.get(gateway),
        problems: () => worker.report.problems,
        documentWritten: (gatewayId, gateway) => {
          events.changed({ kind: 'state', gateway });
          worker.documentsWritten(gatewayId);
        },
      },
    );
    stops.push(() => http.stop());
    const pageUrl = await namingOption(http.start(), options.portOptions?.port ?? '--port');
    const enrol: RunningCloud['enrol'] = async (name, { tenant } = {}) => {
      const { token, gateway } = await enrolGateway(store, keys.identity, systemClock, {
        name,
        tenant,
        broker: broker.shown,
      });
      events.changed({ kind: 'gateways', gateway: labelOf(gateway) });
      return token;
    };
    return { pageUrl, brokerUrl: broker.shown, apiToken: keys.apiToken, enrol, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export function versionOf(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return manifest.version;
}
