/**
 * What to do when the disk itself is full (ENOSPC), whatever the quota says: other programs fill it, too. First the
 * ballast goes, a file that is there for this; then the vault gives something up; and only when there is nothing left
 * is what comes in refused with `disk-full`. The ballast comes back when there is ample room again.
 */
export interface Room {
  /** Whether the ballast file is there. */
  ballast: boolean;
  /** Whether what comes in is refused. */
  refusing: boolean;
}

export type RoomEvent =
  /** A write failed because the disk is full. */
  | { kind: 'full' }
  /** What was given up is gone from the disk. */
  | { kind: 'evicted' }
  /** There was nothing that may be given up. */
  | { kind: 'nothing-to-evict' }
  /** Looked at now and then, and after each write that went well. */
  | { kind: 'free'; bytes: number };

/** `retry`: try the write again. Before `retry` nothing that was to be written is lost: the commit has not been answered. */
export type RoomAction = 'release-ballast' | 'evict' | 'retry' | 'refuse' | 'restore-ballast' | 'none';

/** How many times the ballast has to be free before it is made again: otherwise the next commit releases it. */
export const RESTORE_AT = 4;
/** Free bytes at which a vault that refused takes in again. */
export const ACCEPT_AT = 1 << 20;

export const roomAtStart = (ballast: boolean): Room => ({ ballast, refusing: false });

export function afterRoomEvent(room: Room, event: RoomEvent, ballastBytes: number): { room: Room; action: RoomAction } {
  // After the release of the ballast the write is tried again; only one that fails then costs anything.
  if (event.kind === 'full')
    return room.ballast ? { room: { ...room, ballast: false }, action: 'release-ballast' } : { room, action: 'evict' };
  if (event.kind === 'evicted') return { room: { ...room, refusing: false }, action: 'retry' };
  if (event.kind === 'nothing-to-evict') return { room: { ...room, refusing: true }, action: 'refuse' };
  const refusing = room.refusing && event.bytes < ACCEPT_AT;
  const restore = !room.ballast && !refusing && ballastBytes > 0 && event.bytes >= RESTORE_AT * ballastBytes;
  return { room: { ballast: room.ballast || restore, refusing }, action: restore ? 'restore-ballast' : 'none' };
}
