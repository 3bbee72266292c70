import type { FrameType } from './messages.ts';

/** Alerts have a connection of their own, so that no backlog stands before them. */
export type Lane = 'alert' | 'bulk';

/** What a session needs of the way to the cloud: a lossy pipe, told when it is there by `connected` and `disconnected`. */
export interface Transport {
  /** Hands over a frame. False when the lane takes no more now; a lost frame is not reported. */
  send(lane: Lane, type: FrameType, frame: Uint8Array): boolean;
}

/**
 * Seals a body and hands it to a lane; the size of the frame, or undefined when the lane took nothing. `earlier`: the
 * incarnation of blocks that this vault sealed under another one than its own.
 */
export type SendBody = (
  lane: Lane,
  type: FrameType,
  body: Uint8Array,
  stream?: string,
  earlier?: string,
) => number | undefined;
