import type {
  AccountAnswer,
  AlertsAnswer,
  ErrorAnswer,
  GapsAnswer,
  GatewaysAnswer,
  SeriesAnswer,
  StateAnswer,
  SummariesAnswer,
  SummaryView,
} from '../api/contract.ts';
import type { Interval } from './ranges.ts';

/** What went wrong, for a person; `status` 0 when there was no answer at all. */
export class RequestError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'RequestError';
    this.status = status;
  }
}

const GIVE_UP_MS = 15_000;
/** Pages of windows that one chart takes at most. */
const MAX_PAGES = 8;

export const fetchGateways = (signal?: AbortSignal): Promise<GatewaysAnswer> => get('gateways', {}, signal);

export const fetchSeries = (gateway: string, signal?: AbortSignal): Promise<SeriesAnswer> =>
  get('series', { gateway }, signal);

/** Newest first. */
export const fetchAlerts = (
  query: { gateway?: string | undefined; limit: number },
  signal?: AbortSignal,
): Promise<AlertsAnswer> => get('alerts', query, signal);

/** Newest first. */
export const fetchGaps = (query: { gateway: string; limit: number }, signal?: AbortSignal): Promise<GapsAnswer> =>
  get('gaps', query, signal);

export const fetchAccount = (gateway: string, signal?: AbortSignal): Promise<AccountAnswer> =>
  get('account', { gateway }, signal);

export const fetchState = (gateway: string, signal?: AbortSignal): Promise<StateAnswer> =>
  get('state', { gateway }, signal);

/** All windows of an interval, page after page. */
export async function fetchWindows(
  of: { gateway: string; series: string; resolution: number },
  interval: Interval,
  signal?: AbortSignal,
): Promise<SummaryView[]> {
  const windows: SummaryView[] = [];
  let from: number | null = Math.floor(interval.from / (of.resolution * 1000)) * of.resolution * 1000;
  for (let page = 0; from !== null && page < MAX_PAGES; page++) {
    const to = Math.ceil(interval.to);
    const answer: SummariesAnswer = await get('summaries', { ...of, from, to }, signal);
    windows.push(...answer.windows);
    from = answer.next;
  }
  return windows;
}

/** Writes a set-point; `token` is the cloud's API token. */
export async function writeState(gateway: string, key: string, value: unknown, token: string): Promise<void> {
  await request(addressOf('state', { gateway, key }), {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ value }),
  });
}

function addressOf(what: string, query: Record<string, string | number | undefined>): string {
  const values = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) values.set(name, String(value));
  return `/api/v1/${what}?${values.toString()}`;
}

async function get<Answer>(
  what: string,
  query: Record<string, string | number | undefined>,
  signal?: AbortSignal,
): Promise<Answer> {
  const response = await request(addressOf(what, query), signal === undefined ? {} : { signal });
  const answer: Answer = await response.json();
  return answer;
}

async function request(address: string, options: RequestInit): Promise<Response> {
  const patience = AbortSignal.timeout(GIVE_UP_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, patience]) : patience;
  let response: Response;
  try {
    response = await fetch(address, { ...options, signal });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    const late = patience.aborted;
    throw new RequestError(0, late ? 'the cloud took longer than 15 s to answer' : 'the cloud cannot be reached');
  }
  if (response.ok) return response;
  throw new RequestError(response.status, await reasonOf(response));
}

async function reasonOf(response: Response): Promise<string> {
  try {
    const answer: ErrorAnswer = await response.json();
    return answer.error.message;
  } catch {
    return `the cloud answered with status ${response.status}`;
  }
}
