/** What a sensor said: a number, a switch position, or a word. */
export type Value = number | boolean | string;

export type Quality = 'good' | 'uncertain' | 'bad';

/** One value of one series at one time. Plain data: it survives Node-RED's cloning and any stock node. */
export interface Reading {
  /** Path of the series, e.g. `line1/pump3/temperature`. */
  series: string;
  /** Epoch milliseconds. */
  time: number;
  value: Value;
  quality: Quality;
  /** Whose clock `time` is from: the sensor's message, or the gateway on arrival. */
  clock: 'device' | 'gateway';
  /** Unit as the source names it, e.g. `°C`. */
  unit?: string;
  /** Place in the vault's journal: unique, increasing; absent until the reading is committed. */
  position?: number;
  /** Score 0..1 that tide-detect gave it, present only on readings within an anomaly. */
  anomaly?: number;
  /** A retained message: old news, kept out of summaries and detection. */
  stale?: boolean;
}

/** The message that travels between tide nodes: `payload` is a batch of readings of any series, in journal order. */
export interface ReadingBatch {
  payload: Reading[];
  tide: {
    kind: 'readings';
    /** Id of the node whose door the readings came through. */
    source: string;
    /** True when the batch is read again from the journal after a restart. */
    replay: boolean;
  };
}

/** A message that could not be read, as it leaves tide-ingest's second output. */
export interface Rejection {
  /** Machine-readable, e.g. `not-a-number`, `too-large`, `absurd-time`, `empty`, `unreadable`. */
  code: string;
  /** For a person: what was wrong with what, and what would be right. */
  reason: string;
  topic: string;
  /** At most the first 1024 bytes of the payload. */
  head: Uint8Array;
  /** Bytes the payload had. */
  size: number;
  /** Epoch milliseconds of arrival. */
  time: number;
}
