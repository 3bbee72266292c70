import { systemClock, type Clock } from '../node/clock.ts';
import type { Vault } from '../vault/vault.ts';
import { DurableDoor, type DurableDoorOptions } from './durable-door.ts';

/** For the whole process: this module may be loaded twice, as source and built, and a vault has one door. */
const SHELF = Symbol.for('tidegate.doors');
const shelf: { [SHELF]?: WeakMap<Vault, DurableDoor> } = globalThis;
const doors = (shelf[SHELF] ??= new WeakMap<Vault, DurableDoor>());

/** The one door of a vault; clock and options count when it is made, at the first call. */
export function doorOf(vault: Vault, clock: Clock = systemClock, options: DurableDoorOptions = {}): DurableDoor {
  let door = doors.get(vault);
  if (door === undefined) {
    door = new DurableDoor(vault, clock, options);
    doors.set(vault, door);
  }
  return door;
}
