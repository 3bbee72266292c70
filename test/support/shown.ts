import assert from 'node:assert/strict';
import { eventually } from './eventually.ts';

/** The little of sinon's spy that the test helper puts in place of `status`; it is one for all nodes. */
interface StatusSpy {
  args: { fill?: string; text?: string }[][];
  thisValues: { id: string }[];
}

/** A node as the test helper gives it. */
export interface SpiedNode {
  id: string;
  status: unknown;
}

/** The status that stands under a node now. */
export function shownBy(node: SpiedNode): { fill?: string; text?: string } {
  const spy: unknown = node.status;
  assert.ok(isSpy(spy), 'a node of the test helper');
  return spy.args.findLast((_, i) => spy.thisValues[i].id === node.id)?.[0] ?? {};
}

export function shows(node: () => SpiedNode, text: RegExp): Promise<void> {
  return eventually(`the node shows ${text}`, () => {
    const shown = shownBy(node()).text ?? '';
    assert.match(shown, text);
    return true;
  });
}

function isSpy(candidate: unknown): candidate is StatusSpy {
  return typeof candidate === 'function' && 'args' in candidate && 'thisValues' in candidate;
}
