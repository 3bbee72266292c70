import { systemClock, type Clock } from '../node/clock.ts';
import { companions } from '../node/shared.ts';
import type { Vault } from '../vault/vault.ts';
import { DurableDoor, type DurableDoorOptions } from './durable-door.ts';

const doors = companions<Vault, DurableDoor>('door');

/** The one door of a vault; clock and options count when it is made: at the first call, or when the last one is closed. */
export function doorOf(vault: Vault, clock: Clock = systemClock, options: DurableDoorOptions = {}): DurableDoor {
  let door = doors.get(vault);
  if (door === undefined || door.closed) {
    door = new DurableDoor(vault, clock, options);
    doors.set(vault, door);
  }
  return door;
}
