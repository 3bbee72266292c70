import type { Block } from '@tidegate/nodes/vault';
import type { MergeRecord, Store } from '../../../../cloud-bridge/src/store/store.ts';
import type { Gateway } from './gateway.ts';
import type { World } from './world.ts';

/** A mistake put into a round on purpose: the campaign has to find it. */
export interface Breakage {
  /** Stands between the cloud and its store. */
  store?(store: Store, world: World): Store;
  /** A gateway has handed over a frame. */
  sent?(gateway: Gateway, type: string): void;
  /** A gateway has read something from its vault. */
  read?(method: string, parameters: readonly unknown[], result: unknown): void;
}

function overriding(store: Store, changed: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, property) => Reflect.get(property in changed ? changed : target, property),
  });
}

/** The cloud answers before its database has committed. */
const acknowledgesEarly = (): Breakage => ({
  store: (store, world) => {
    let chain: Promise<unknown> = Promise.resolve();
    return overriding(store, {
      merge: (records, now) => {
        world.after(40, () => {
          chain = chain.then(() => store.merge(records, now)).catch(() => undefined);
        });
        return Promise.resolve({ inserted: records.length, duplicates: 0, forks: 0 });
      },
    });
  },
});

/** The gateway takes a block out of its outbox when it hands it over. */
const forgetsOnSend = (): Breakage => {
  let last: { stream: string; blocks: readonly Block[] } = { stream: '', blocks: [] };
  return {
    read: (method, parameters, result) => {
      if (method === 'outbox.peek') last = { stream: String(parameters[0]), blocks: result as readonly Block[] };
    },
    sent: ({ watched }, type) => {
      if (type !== 'live' && type !== 'fill') return;
      const ranges = last.blocks.map(({ number }) => [number, number] as const);
      // A rejection is the auditor's, and ends the round.
      void watched?.commit([{ kind: 'blocks-acknowledged', stream: last.stream, ranges }]).catch(() => undefined);
    },
  };
};

/** The cloud takes every ticket. */
const takingEveryTicket = (store: Store): Pick<Store, 'exchangeTicket'> => ({
  exchangeTicket: (incarnationId, decide) =>
    store.exchangeTicket(incarnationId, (held) => {
      const decision = decide(held);
      return 'fenced' in decision && decision.fenced === true ? { ...decision, fenced: false } : decision;
    }),
});

/** A copy goes on beside the one it was copied from. */
const fencesNobody = (): Breakage => ({ store: (store) => overriding(store, takingEveryTicket(store)) });

/**
 * The cloud knows a gateway by its name alone: a copy goes on under the numbers of the one it was copied from. Neither tickets
 * nor what the cloud says to hold warn the copy, which would look after itself otherwise.
 */
const ignoresIncarnation = (): Breakage => {
  const first = new Map<number, Uint8Array>();
  const writtenByCopy = new Set<number>();
  return {
    store: (store) =>
      overriding(store, {
        ...takingEveryTicket(store),
        incarnation: async (gatewayId, incarnation, now) => {
          if (!first.has(gatewayId)) first.set(gatewayId, incarnation);
          const known = first.get(gatewayId)!;
          const id = await store.incarnation(gatewayId, known, now);
          if (known.every((byte, i) => byte === incarnation[i])) writtenByCopy.delete(id);
          else writtenByCopy.add(id);
          return id;
        },
        held: async (incarnationId, claims) =>
          writtenByCopy.has(incarnationId) ? {} : store.held(incarnationId, claims),
      }),
  };
};

/** The cloud counts what comes a second time a second time. */
const addsOnReceipt = (): Breakage => {
  let extra = 1_000_000;
  return {
    store: (store) =>
      overriding(store, {
        merge: async (records, now) => {
          const again: MergeRecord[] = [];
          for (const record of records)
            if (record.kind === 'part' && !(await store.lacks([record]))) again.push({ ...record, part: extra++ });
          return store.merge([...records, ...again], now);
        },
      }),
  };
};

/** The cloud says that it holds everything below the highest block that it holds. */
const movesWatermark = (): Breakage => ({
  store: (store) =>
    overriding(store, {
      held: async (incarnationId, claims) => {
        const held = await store.held(incarnationId, claims);
        return Object.fromEntries(
          Object.entries(held).map(([stream, ranges]) => {
            const highest = ranges.at(-1)?.[1];
            return [stream, highest === undefined ? [] : [[claims[stream]?.lowest ?? 1, highest]]];
          }),
        );
      },
    }),
});

/** The cloud takes a ticket for old as soon as the next one is handed out, though the answer may be lost. */
const fencesTooSoon = (): Breakage => ({
  store: (store) =>
    overriding(store, {
      exchangeTicket: (incarnationId, decide) =>
        store.exchangeTicket(incarnationId, (held) => {
          const [newest] = held?.given.toReversed() ?? [];
          return decide(newest === undefined ? held : { shown: newest, given: [], passed: [] });
        }),
    }),
});

/** What each is, and what of the oracle finds it. */
export const BREAKAGES: Readonly<Record<string, { make: () => Breakage; finds: RegExp }>> = {
  'acknowledges before the commit': { make: acknowledgesEarly, finds: /the cloud’s database has no row of it/ },
  'forgets on send': { make: forgetsOnSend, finds: /the cloud’s database has no row of it/ },
  'ignores the incarnation': {
    make: ignoresIncarnation,
    finds: /the cloud’s database has no row of it|forks and poison|not caught up/,
  },
  'adds on receipt': { make: addsOnReceipt, finds: /parts of window/ },
  'fences nobody': { make: fencesNobody, finds: /writes under the incarnation of a lost disk/ },
  'fences too soon': { make: fencesTooSoon, finds: /there was no other one/ },
  'moves a watermark': { make: movesWatermark, finds: /the cloud’s database has no row of it/ },
};
