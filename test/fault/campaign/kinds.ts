import { clock } from './vault/clock.ts';
import { fsync } from './vault/failing-sync.ts';
import { flip } from './vault/flip.ts';
import { full } from './vault/full.ts';
import { kill } from './vault/kill.ts';
import type { Kind } from './kind.ts';
import { fuzz } from './sync/fuzz.ts';
import { processes } from './sync/processes.ts';
import { simulation } from './sync/simulation.ts';
import { powercut, torn } from './vault/powercut.ts';
import { steps } from './vault/steps.ts';

/** Campaigns by name, and the kinds of each. */
export const CAMPAIGNS: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  vault: { kill, powercut, torn, fsync, full, flip, clock, steps },
  sync: { simulation, fuzz, processes },
};
