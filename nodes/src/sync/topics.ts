import { TideError } from '../node/errors.ts';
import type { Address } from './frame.ts';
import { DOWN, UP, type FrameType } from './messages.ts';

/** What tenants and gateways may be called: a level of a topic, a file name and a label at once. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const PREFIX = 'tide/v1/';

/** `tide/v1/{tenant}/{gateway}/{up|down}/{type}`. Throws TideError `bad-name`. */
export function topicOf({ tenant, gateway, direction, type }: Address): string {
  return `${PREFIX}${checkName('tenant', tenant)}/${checkName('gateway', gateway)}/${direction}/${type}`;
}

/** The address that a topic names, or undefined when it is not one of the protocol's. */
export function parseTopic(topic: string): Address | undefined {
  if (topic.length > 256 || !topic.startsWith(PREFIX)) return undefined;
  const [tenant, gateway, direction, type, ...rest] = topic.slice(PREFIX.length).split('/');
  if (rest.length > 0 || !NAME.test(tenant ?? '') || !NAME.test(gateway ?? '')) return undefined;
  if (direction !== 'up' && direction !== 'down') return undefined;
  const known: readonly FrameType[] = direction === 'up' ? UP : DOWN;
  const found = known.find((candidate) => candidate === type);
  return found === undefined ? undefined : { tenant, gateway, direction, type: found };
}

/** Filter of everything that the cloud sends to a gateway. */
export function downFilter(tenant: string, gateway: string): string {
  return `${PREFIX}${checkName('tenant', tenant)}/${checkName('gateway', gateway)}/down/+`;
}

/** Filter of everything that any gateway sends. */
export const UP_FILTER = `${PREFIX}+/+/up/+`;

export function checkName(what: string, name: string): string {
  if (!NAME.test(name)) {
    throw new TideError(
      'bad-name',
      `${what} name ${JSON.stringify(name.slice(0, 80))}: 1 to 64 letters, digits, dots, dashes and underscores are allowed, the first a letter or digit`,
    );
  }
  return name;
}
