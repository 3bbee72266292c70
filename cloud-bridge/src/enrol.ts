import type { Clock } from '@tidegate/nodes/node';
import { encodeToken, makeToken, publicKeys, tokenVerifier, type Identity } from '@tidegate/nodes/sync';

import { DEFAULT_TENANT } from './gateway-label.ts';
import type { Store } from './store/store.ts';

export interface EnrolRequest {
  name: string;
  tenant?: string | undefined;
  /** Where the gateway finds the broker; without it the gateway has to be told. */
  broker?: string | undefined;
}

/** Makes a one-time token for a gateway and keeps what is needed to know it again. Throws TideError `bad-name`. */
export async function enrolGateway(
  store: Store,
  identity: Identity,
  clock: Clock,
  { name, tenant = DEFAULT_TENANT, broker }: EnrolRequest,
): Promise<{ token: string; gateway: { tenant: string; name: string } }> {
  const token = makeToken({
    tenant,
    gateway: name,
    cloudKeys: publicKeys(identity),
    ...(broker === undefined ? {} : { broker }),
  });
  await store.addToken({
    id: token.id,
    tenant,
    gateway: name,
    verifier: tokenVerifier(token.secret),
    createdAt: clock.now(),
  });
  return { token: encodeToken(token), gateway: { tenant, name } };
}
