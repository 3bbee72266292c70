import { QUOTA_FOUND } from '@tidegate/nodes/vault';

import type { Folder, Manifest } from './manifest.ts';
import type { SeriesTotal } from './totals.ts';

/** What an export is of, fixed when it begins. */
export interface Plan {
  gateway: string;
  created: number;
  incarnation: string;
  head: number;
  replayFrom: number;
  signer: { publicKey: Uint8Array; privateKey: Uint8Array; is: 'gateway' | 'vault' };
}

/** How far an archive has been written: enough to go on from there, once its readings have begun. */
export interface Progress {
  phase: 'cut' | 'readings' | 'end' | 'done';
  /** Series whose readings come next, and how many of them are written. */
  series: string | undefined;
  taken: number;
  total: SeriesTotal | undefined;
  /** Finished totals that are in no part yet. */
  totals: string;
  counts: Manifest['counts'];
  /** Parts so far, by folder. */
  numbers: Partial<Record<Folder, number>>;
}

export const freshProgress = (): Progress => ({
  phase: 'cut',
  series: undefined,
  taken: 0,
  total: undefined,
  totals: '',
  counts: { readings: 0, recent: 0, series: 0, blocks: 0, alerts: 0, lost: 0 },
  numbers: {},
});

/** Documents that say something of this very store: a copy must not carry them, and an empty vault may have them. */
export const OF_THE_STORE: ReadonlySet<string> = new Set(['export', 'export-parts', 'restore', QUOTA_FOUND.namespace]);
