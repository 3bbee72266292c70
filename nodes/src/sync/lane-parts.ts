import type { Clock } from '../node/clock.ts';
import type { Vault } from '../vault/vault.ts';
import type { Outgoing } from './outgoing.ts';
import type { Settling } from './settling.ts';
import type { Complain } from './shredding.ts';
import type { SendBody } from './transport.ts';

/** What a lane works with. */
export interface LaneParts {
  clock: Clock;
  vault: Vault;
  outgoing: Outgoing;
  settling: Settling;
  send: SendBody;
  complain: Complain;
}
