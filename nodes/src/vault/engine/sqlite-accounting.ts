import type { VaultAccounts } from '../accounts.ts';
import type { Catalogue } from '../catalogue/sqlite-catalogue.ts';
import { orphanOf } from '../orphans.ts';

/** Ranges of waiting blocks that are named for one stream; of a stream with more nothing can be compared with the cloud. */
const MAX_RANGES = 1_024;

/** The accounts as the newest commit left them. */
export function accountsOf(catalogue: Catalogue, consumers: readonly string[], stateBytes: number): VaultAccounts {
  const { accounts, outbox, checkpoints, head } = catalogue;
  return {
    from: accounts.from,
    head,
    streams: accounts.list(),
    waiting: outbox.streams.list().flatMap(({ stream, sealed }) => {
      if (orphanOf(stream) !== undefined) return [];
      const blocks = outbox.numbers(stream, MAX_RANGES);
      return blocks === undefined ? [] : [{ stream, sealed, blocks }];
    }),
    consumers: consumers.flatMap((consumer) => {
      const saved = checkpoints.load(consumer);
      if (saved === undefined) return [];
      // Copies, since a view would take the whole state along to another thread.
      const series = saved.series.map(({ state, ...rest }) => ({ ...rest, state: state.slice(0, stateBytes) }));
      return [{ consumer, replayFrom: saved.replayFrom, series }];
    }),
  };
}
