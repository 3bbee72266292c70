import type { StreamBacklog } from '../vault/vault.ts';
import { encodeBody } from './body.ts';
import type { Enrolment } from './enrolment-store.ts';
import { enrolmentProof } from './enrolment.ts';
import { publicKeys } from './identity.ts';
import { CATALOGUE_STREAM, SCHEMA_VERSION, hello, type Hello, type Stamp, type Welcome } from './messages.ts';
import { normalise, without } from './ranges.ts';
import { SOFTWARE } from './version.ts';

/**
 * What HELLO says: what the gateway holds, and, until the cloud has answered once, the proof of its token. `namesFrom`: the
 * first block of the catalogue that the cloud has to hold for all names to be there.
 */
export function helloBody(
  { tenant, gateway, identity, tokenId, tokenSecret }: Enrolment,
  backlog: readonly StreamBacklog[],
  state: Record<string, Stamp>,
  namesFrom: number,
  writer: Pick<Hello, 'id' | 'session' | 'ticket'>,
): Uint8Array {
  const enrol =
    tokenSecret === undefined
      ? {}
      : { enrol: { token: tokenId, proof: enrolmentProof(tokenSecret, tenant, gateway, publicKeys(identity)) } };
  const streams = Object.fromEntries(
    backlog.map(({ stream, lowest, sealed, count }) => {
      const waits = count === 0 ? sealed + 1 : lowest;
      return [stream, { lowest: stream === CATALOGUE_STREAM ? Math.min(namesFrom, waits) : waits, sealed }];
    }),
  );
  return encodeBody(hello, { schema: SCHEMA_VERSION, software: SOFTWARE, ...enrol, ...writer, streams, state });
}

/**
 * Why this vault must not go on as this writer, or undefined when it may: the cloud holds blocks that it never sealed, so
 * it is an older copy, and the numbers it would give out are taken.
 */
export function sealedBeyond(held: Welcome['streams'], backlog: readonly StreamBacklog[]): string | undefined {
  const sealed = new Map(backlog.map((stream) => [stream.stream, stream.sealed]));
  for (const [stream, ranges] of Object.entries(held)) {
    const highest = Math.max(0, ...ranges.map(([, to]) => to));
    const known = sealed.get(stream) ?? 0;
    if (highest > known)
      return `this vault is an older copy: the cloud holds block ${highest} of ${stream}, here the last one is ${known}`;
  }
  return undefined;
}

/** Whether the cloud lacks blocks of the catalogue, from `namesFrom` on, that it once acknowledged: its database is another one now. */
export function lostNames(held: Welcome['streams'], backlog: readonly StreamBacklog[], namesFrom: number): boolean {
  const catalogue = backlog.find(({ stream }) => stream === CATALOGUE_STREAM);
  if (catalogue === undefined) return false;
  const acknowledged = catalogue.count === 0 ? catalogue.sealed : catalogue.lowest - 1;
  if (acknowledged < namesFrom) return false;
  return without([[namesFrom, acknowledged]], normalise(held[CATALOGUE_STREAM] ?? [])).length > 0;
}
