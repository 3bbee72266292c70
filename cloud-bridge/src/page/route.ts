/** Where the page is: kept in the address after `#`, so that it can be linked, bookmarked and gone back to. */
export type Route =
  | { view: 'fleet' }
  | { view: 'gateway'; gateway: string }
  | { view: 'series'; gateway: string; series: string; range: Range }
  | { view: 'alerts' }
  | { view: 'unknown'; address: string };

/** The stretch of time of a chart: one that moves with the clock, or one that stands still (epoch milliseconds). */
export type Range = { span: Span } | { from: number; to: number };

export const SPANS = ['15m', '1h', '6h', '24h', 'all'] as const;
export type Span = (typeof SPANS)[number] | 'auto';

/** Reads what stands after `#`. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?', 2);
  const parts = path.split('/').filter((part) => part !== '');
  try {
    if (parts.length === 0) return { view: 'fleet' };
    if (parts[0] === 'alerts' && parts.length === 1) return { view: 'alerts' };
    if (parts[0] === 'gateways') {
      const gateway = decodeURIComponent(parts[1] ?? '');
      if (parts.length === 1) return { view: 'fleet' };
      if (parts.length === 2) return { view: 'gateway', gateway };
      if (parts.length === 4 && parts[2] === 'series') {
        return { view: 'series', gateway, series: decodeURIComponent(parts[3] ?? ''), range: parseRange(query) };
      }
    }
  } catch {
    // A percent sign that encodes nothing: the address names no page.
  }
  return { view: 'unknown', address: path };
}

/** The address of a page. */
export function hrefOf(route: Exclude<Route, { view: 'unknown' }>): string {
  if (route.view === 'fleet') return '#/';
  if (route.view === 'alerts') return '#/alerts';
  const gateway = `#/gateways/${encodeURIComponent(route.gateway)}`;
  if (route.view === 'gateway') return gateway;
  return `${gateway}/series/${encodeURIComponent(route.series)}${rangeQuery(route.range)}`;
}

function parseRange(query: string): Range {
  const values = new URLSearchParams(query);
  const from = Number(values.get('from') ?? Number.NaN);
  const to = Number(values.get('to') ?? Number.NaN);
  if (Number.isFinite(from) && Number.isFinite(to) && from < to) return { from, to };
  const span = SPANS.find((one) => one === values.get('range'));
  return { span: span ?? 'auto' };
}

function rangeQuery(range: Range): string {
  if ('from' in range) return `?from=${Math.round(range.from)}&to=${Math.round(range.to)}`;
  return range.span === 'auto' ? '' : `?range=${range.span}`;
}
