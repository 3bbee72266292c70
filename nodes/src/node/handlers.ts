import { reasonOf, toError } from './errors.ts';
import type { Node, NodeMessage, Send } from './node-red.ts';

/**
 * Registers an input handler that may be async. A rejection becomes a red status and `done(error)`; unwrapped it would
 * end the whole Node-RED process.
 */
export function onInput(node: Node, handler: (message: NodeMessage, send: Send) => Promise<void> | void): void {
  node.on('input', (message, send, done) => {
    const fail = (thrown: unknown): void => {
      node.status({ fill: 'red', shape: 'ring', text: shorten(reasonOf(thrown)) });
      done(toError(thrown));
    };
    try {
      const pending = handler(message, send);
      if (pending === undefined) done();
      else pending.then(() => done(), fail);
    } catch (error) {
      fail(error);
    }
  });
}

/** Registers a close handler that Node-RED waits for. A failure is reported, and the redeploy goes on. */
export function onClose(node: Node, handler: (removed: boolean) => Promise<void> | void): void {
  node.on('close', (removed, done) => {
    Promise.resolve()
      .then(() => handler(removed))
      .catch((error: unknown) => node.error(`while closing: ${reasonOf(error)}`))
      .finally(done);
  });
}

/** Runs work that nobody awaits; a failure becomes the node's status and an error that a catch node sees. */
export function inBackground(node: Node, work: () => Promise<void>): void {
  work().catch((error: unknown) => {
    node.status({ fill: 'red', shape: 'ring', text: shorten(reasonOf(error)) });
    node.error(toError(error));
  });
}

/** A status line is one short line: Node-RED draws it under the node. */
export function shorten(text: string, limit = 60): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}
