import { TideError } from '@tidegate/nodes/node';
import { isMap, parseDocument } from 'yaml';

import { problemsOf } from './problems.ts';
import { type GatewayConfig, gatewayConfig } from './schema.ts';

/** Largest gateway.yaml that is read, bytes. */
export const MAX_CONFIG_BYTES = 1 << 20;

/** The configuration in the text of a gateway.yaml. Throws a TideError `configuration` that lists every problem. */
export function parseConfig(text: string, file = 'gateway.yaml'): GatewayConfig {
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true });
  if (document.errors.length > 0)
    throw bad(document.errors.map((error) => `${file}: ${error.message.replaceAll(/\s*\n[\s\S]*$/g, '')}`));
  if (!isMap(document.contents))
    throw bad([`${file}: the whole file: found no keys, allowed: see docs/configuration.md`]);
  const input: unknown = document.toJS({ maxAliasCount: 10 });
  const parsed = gatewayConfig.safeParse(input);
  if (!parsed.success) throw bad(problemsOf(file, gatewayConfig, parsed.error, input));
  return parsed.data;
}

const bad = (lines: string[]): TideError => new TideError('configuration', lines.join('\n'));
