/**
 * The part of Node-RED's runtime interface that the tide nodes use (https://nodered.org/docs/creating-nodes/node-js).
 * Declared here because the published typings lag behind and would drag in the whole runtime.
 */

import type { GatewayHost } from './host.ts';

export interface NodeMessage {
  _msgid?: string;
  topic?: string;
  payload?: unknown;
  [key: string]: unknown;
}

export type Outputs = NodeMessage | null | readonly (NodeMessage | readonly NodeMessage[] | null)[];
export type Send = (message: Outputs) => void;
export type Done = (error?: Error) => void;

export interface NodeStatus {
  fill?: 'red' | 'green' | 'yellow' | 'blue' | 'grey';
  shape?: 'ring' | 'dot';
  text?: string;
}

export interface NodeDefinition {
  id: string;
  type: string;
  name?: string;
  [property: string]: unknown;
}

export interface Node {
  id: string;
  type: string;
  name?: string;
  credentials?: Record<string, string | undefined>;
  send: Send;
  status(status: NodeStatus | string): void;
  log(text: string): void;
  warn(text: string): void;
  error(text: string | Error, message?: NodeMessage): void;
  on(event: 'input', handler: (message: NodeMessage, send: Send, done: Done) => void): void;
  on(event: 'close', handler: (removed: boolean, done: () => void) => void): void;
}

export type NodeConstructor<D extends NodeDefinition> = (this: Node, definition: D) => void;

export interface RegisterOptions {
  credentials?: Record<string, { type: 'text' | 'password' }>;
}

/** The `RED` object that Node-RED passes to a node's module. */
export interface NodeRed {
  nodes: {
    createNode(node: Node, definition: NodeDefinition): void;
    registerType<D extends NodeDefinition>(
      type: string,
      constructor: NodeConstructor<D>,
      options?: RegisterOptions,
    ): void;
    getNode(id: string): Node | null;
  };
  util: {
    evaluateNodeProperty(value: string, type: string, node: Node, message: NodeMessage): unknown;
  };
  settings: { userDir?: string; tidegate?: GatewayHost };
  /** `flows:started` when every node of a deploy exists, `flows:stopping` before the first one is closed. */
  events: {
    on(event: 'flows:started' | 'flows:stopping', listener: () => void): void;
    removeListener(event: 'flows:started' | 'flows:stopping', listener: () => void): void;
  };
  httpAdmin?: unknown;
  log: { info(text: string): void; warn(text: string): void; error(text: string): void };
}
