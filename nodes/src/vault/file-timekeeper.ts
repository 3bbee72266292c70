import { BUILT, ClockWatch, bootClock, bootId } from '../node/file-clock.ts';
import { Timekeeper } from './timekeeper.ts';
import type { Vault } from './vault.ts';

export interface KeptTime {
  keeper: Timekeeper;
  /** To be called before the vault is closed. */
  stop: () => Promise<void>;
}

/** Watches this machine's clock for a vault. `report` gets failures that nobody waits for. */
export async function keepTime(vault: Vault, report: (error: unknown) => void): Promise<KeptTime> {
  const keeper = await Timekeeper.open({ vault, boot: bootId(), clock: bootClock, built: BUILT });
  const watch = new ClockWatch(keeper, report);
  await watch.start();
  return { keeper, stop: () => watch.stop() };
}
