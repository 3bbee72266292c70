/** What the cloud's HTTP API answers (JSON). The page is its first user. Times are epoch milliseconds. */

export interface GatewayView {
  gateway: string;
  /** Seen within the last two minutes. */
  online: boolean;
  lastSeen: number | null;
  enrolledAt: number;
  incarnation: string | null;
  software: string | null;
  series: number;
  parts: number;
  /** Blocks that the gateway said it holds and the cloud does not have yet. */
  blocksMissing: number;
  openAlerts: number;
  forks: number;
  /** Declared gaps: spans of readings, blocks or alerts that the gateway gave up or lost. */
  gaps: number;
  /**
   * Frames and blocks of this gateway that were refused since the start, by kind (docs/protocol.md: reasons for refusal, codes of
   * NACK, `conflict`, `bad-record`), and the newest reason.
   */
  refused: number;
  refusedKinds: Record<string, number>;
  refusedReason: string | null;
}

/** GET /api/v1/gateways */
export interface GatewaysAnswer {
  gateways: GatewayView[];
}

export interface SeriesView {
  series: string;
  kind: 'number' | 'boolean' | 'string';
  unit: string | null;
  /** What measures it, and since when. */
  sensor: string | null;
  sensorSince: number | null;
  /** Since when nothing more is expected of it; null also when readings have come since. */
  retired: number | null;
  /** Names under which it was known before, newest first; their windows are part of it. */
  earlier: string[];
  /** Resolutions at hand, seconds. */
  resolutions: number[];
  /** Where its first and its last reading lie: starts of windows of the finest resolution at hand. */
  firstWindow: number | null;
  lastWindow: number | null;
  /** Last value of the newest window. */
  lastValue: number | string | null;
  lastTime: number | null;
}

/** GET /api/v1/series?gateway= */
export interface SeriesAnswer {
  series: SeriesView[];
}

export interface SummaryView {
  windowStart: number;
  /** Seconds: as asked for; coarser where the finer windows are not all here yet. */
  resolution: number;
  /** False while the gateway still gathers this window: it is what finer ones say so far. */
  whole: boolean;
  /** Parts that were folded. */
  parts: number;
  count: number;
  numeric: number;
  /** Of the numbers; null where none said one, and where they said different ones. */
  unit: string | null;
  /** The unit changed in this window: `numeric` is 0, and there are no figures of the numbers. */
  mixed: boolean;
  /** Exact decimal in plain notation. */
  sum: string;
  squares: string;
  mean: number | null;
  min: number | null;
  max: number | null;
  first: { time: number; value: number | string } | null;
  last: { time: number; value: number | string } | null;
  /** Quantiles, within 1 % or half a bucket of the series' fixed width; null where nothing is known of them. */
  p10: number | null;
  p50: number | null;
  p90: number | null;
  anomalies: number;
  uncertain: number;
  bad: number;
  /** Of switches and words, null of numbers: how often the state changed. */
  changes: number | null;
  /** For how long each state was held up to a reading in this window, milliseconds; null of numbers, and of more than 16 states. */
  states: StateTime[] | null;
}

export interface StateTime {
  state: boolean | string;
  milliseconds: number;
}

/** GET /api/v1/summaries?gateway=&series=&resolution=&from=&to=&limit=; windows ascending, each reading in one of them; `next` is the `from` of the next page. */
export interface SummariesAnswer {
  gateway: string;
  series: string;
  resolution: number;
  windows: SummaryView[];
  /** All windows of the answer folded into one; null when there are none. */
  total: SummaryView | null;
  next: number | null;
}

export interface AlertView {
  gateway: string;
  id: string;
  revision: number;
  series: string;
  state: 'open' | 'closed';
  severity: 'info' | 'warning' | 'critical';
  kind: string;
  time: number;
  closed: number | null;
  value: number | boolean | string;
  expected: { low?: number; high?: number } | null;
  unit: string | null;
  text: string;
  /** When the cloud's database committed this revision. */
  committedAt: number;
  /** Order of commits: pass the highest one seen as `since`. */
  cursor: number;
}

/** GET /api/v1/alerts?since=CURSOR&gateway=&limit=; without `since` newest first, with it ascending by cursor. */
export interface AlertsAnswer {
  alerts: AlertView[];
  cursor: number;
}

export interface GapView {
  /** When the newest loss in it happened, by the gateway's clock. */
  at: number;
  /** Why: room ran out, age, damage, a destroyed key, a restored copy, or a consumer that was too slow. */
  cause: 'quota' | 'retention' | 'damaged' | 'shredded' | 'restored' | 'overrun';
  what: 'readings' | 'blocks' | 'alerts';
  /** Null when the gateway's grants do not let it say how many. */
  count: number | null;
  /** Of what is lost. */
  timeFrom: number;
  timeTo: number;
  /** Blocks only: their stream, their numbers as inclusive ranges, and how many of them had arrived all the same. */
  stream: string | null;
  blocks: [number, number][];
  blocksHere: number;
  /** Names; null when they may not be said. */
  series: string[] | 'all' | null;
  /** Seconds: the coarsest resolution whose summaries still cover it; null when none do. */
  coarsest: number | null;
}

/** GET /api/v1/gaps?gateway=&limit=; newest first. */
export interface GapsAnswer {
  gaps: GapView[];
}

/** What a gateway says became of the readings of a series, and what is here; all figures are readings. docs/accounting.md */
export interface SeriesAccountView {
  series: string;
  /** Length of the windows in seconds: the finest of the series, or those that differ. */
  resolution: number;
  /** Taken into windows, retained and so in none, and in windows that are open; null where the gateway does not say. */
  taken: number | null;
  stale: number | null;
  open: number | null;
  withheld: number;
  /** In parts that went into the outbox: delivered, waiting and all of dropped. */
  sealed: number;
  delivered: number;
  waiting: number;
  dropped: Partial<Record<'quota' | 'retention' | 'shredded' | 'revoked' | 'damaged' | 'poison' | 'conflict', number>>;
  /** In the parts that were in the database when it was compared. */
  held: number;
  agrees: boolean;
  addsUp: boolean;
  checkedAt: number;
}

/** GET /api/v1/account?gateway=&format=json|csv; what differs first. */
export interface AccountAnswer {
  gateway: string;
  /** The oldest of the comparisons that this is from; null before the first. */
  checkedAt: number | null;
  /** Series that differ, counted once for each length of windows. */
  differing: number;
  /** Series that no grant allows the gateway to speak of now. */
  unsaid: number;
  series: SeriesAccountView[];
}

export interface DocumentView {
  key: string;
  value: unknown;
  stamp: { wall: number; counter: number; writer: string };
  /** The gateway has stored exactly this version. */
  applied: boolean;
}

/** GET /api/v1/state?gateway= ; PUT /api/v1/state?gateway=&key= with {"value": …} and the API token as bearer. */
export interface StateAnswer {
  documents: DocumentView[];
}

/** GET /healthz */
export interface HealthAnswer {
  status: 'ok' | 'degraded';
  version: string;
  problems: string[];
}

/** GET /api/v1/events (text/event-stream): `event: change`, data ChangeEvent; at most one of a kind and gateway a second. */
export interface ChangeEvent {
  kind: 'gateways' | 'series' | 'parts' | 'alerts' | 'state' | 'gaps' | 'accounts';
  gateway: string | null;
}

/** Every error: status 4xx or 5xx and this body. */
export interface ErrorAnswer {
  error: { code: string; message: string };
}
