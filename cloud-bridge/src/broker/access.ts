import { parseTopic } from '@tidegate/nodes/sync';

/** Name of the merge worker at the embedded broker. */
export const WORKER_NAME = 'tidegate-cloud';

/** Subscriptions that one gateway needs are one; more than this is somebody else. */
export const MAX_SUBSCRIPTIONS = 16;

/**
 * What a client that is not the merge worker may send: frames on their way up. Nobody proves here who they are, the
 * signature in each frame does that.
 */
export function mayPublish(topic: string): boolean {
  return parseTopic(topic)?.direction === 'up';
}

/** What it may hear: what goes down to one gateway at a time, never a wildcard over several. */
export function maySubscribe(filter: string): boolean {
  const levels = filter.split('/');
  const type = levels.pop();
  const place = levels.join('/');
  return parseTopic(`${place}/${type === '+' || type === '#' ? 'ack' : type}`)?.direction === 'down';
}
