import { clock } from './clock.ts';
import { fsync } from './failing-sync.ts';
import { flip } from './flip.ts';
import { full } from './full.ts';
import { kill } from './kill.ts';
import type { Kind } from './kind.ts';
import { powercut, torn } from './powercut.ts';
import { steps } from './steps.ts';

/** Campaigns by name, and the kinds of each. */
export const CAMPAIGNS: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  vault: { kill, powercut, torn, fsync, full, flip, clock, steps },
};
