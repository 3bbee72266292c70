import { NAME } from '@tidegate/nodes/sync';

/** Tenant of gateways that were enrolled without naming one. */
export const DEFAULT_TENANT = 'default';

/** What the API and the page call a gateway: its name, with its tenant before it unless that is the default one. */
export function labelOf({ tenant, name }: { tenant: string; name: string }): string {
  return tenant === DEFAULT_TENANT ? name : `${tenant}/${name}`;
}

/** Undefined when no gateway can be called that. */
export function parseLabel(label: string): { tenant: string; name: string } | undefined {
  const levels = label.split('/');
  if (levels.length > 2 || !levels.every((level) => NAME.test(level))) return undefined;
  return levels.length === 1 ? { tenant: DEFAULT_TENANT, name: levels[0] } : { tenant: levels[0], name: levels[1] };
}
