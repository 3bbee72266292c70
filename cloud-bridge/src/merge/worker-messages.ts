import type { TlsFiles } from '@tidegate/nodes/node';
import type { Identity } from '@tidegate/nodes/sync';

import type { ChangeEvent } from '../api/contract.ts';
import type { Refusal } from './refusals.ts';

export interface BrokerPlace {
  /** In this process, and known to speak MQTT 3.1.1. */
  embedded: boolean;
  /** What gateways and people are told; without user and password. */
  shown: string;
  /** Where the worker connects. */
  url: string;
  /** What it shows to a broker elsewhere, and trusts of it. */
  tls?: TlsFiles;
  username?: string;
  password?: string;
}

/** What a merge worker is started with. */
export interface WorkerSettings {
  databaseFile: string;
  identity: Identity;
  broker: BrokerPlace;
}

/** From the main thread to the worker. */
export type ToWorker =
  /** Documents of a gateway were written. */
  { kind: 'documents'; gatewayId: number } | { kind: 'stop' };

/** What a worker is doing, for /healthz. */
export interface WorkerReport {
  /** What is wrong at the moment, in words; empty when all is well. */
  problems: string[];
  /** Frames dropped because the queue before the database was full, since the start. */
  dropped: number;
  strangers: Refusal;
}

/** From the worker to the main thread. */
export type FromWorker =
  /** Connected to the broker and subscribed, for the first time. */
  | { kind: 'ready' }
  | { kind: 'changed'; change: ChangeEvent }
  | { kind: 'refused'; refused: Record<string, Refusal> }
  | { kind: 'report'; report: WorkerReport };
