import type { NodeRed } from '../node/node-red.ts';

/**
 * Keeps a node attached to its door while flows run. Node-RED drops what is sent to a node that does not exist yet or any
 * more: it creates nodes one by one, and a deploy of part of the flow replaces only that part. So a node attaches when all
 * nodes exist, and detaches before the first one closes; what is committed in between is read from the journal afterwards.
 */
export class Attachment {
  private readonly events: NodeRed['events'];
  private readonly attach: () => () => void;
  private detach: (() => void) | undefined;
  private flowsRun = false;
  private ready = false;
  private readonly started = (): void => {
    this.flowsRun = true;
    this.update();
  };
  private readonly stopping = (): void => {
    this.flowsRun = false;
    this.update();
  };

  constructor({ events }: Pick<NodeRed, 'events'>, attach: () => () => void) {
    this.events = events;
    this.attach = attach;
  }

  /** In the node's constructor, which runs before `flows:started`. */
  open(): void {
    this.events.on('flows:started', this.started);
    this.events.on('flows:stopping', this.stopping);
  }

  /** The door is there. */
  allow(): void {
    this.ready = true;
    this.update();
  }

  close(): void {
    this.ready = false;
    this.update();
    this.events.removeListener('flows:started', this.started);
    this.events.removeListener('flows:stopping', this.stopping);
  }

  private update(): void {
    if (this.flowsRun && this.ready) this.detach ??= this.attach();
    else {
      this.detach?.();
      this.detach = undefined;
    }
  }
}
