import type { Greeting } from './greeting.ts';
import type { StatusKeeper } from './bridge-status.ts';
import type { FrameEnd } from './frame-end.ts';
import type { SendBody, Transport } from './transport.ts';

interface UplinkParts {
  transport: Transport;
  frames: FrameEnd;
  greeting: Greeting;
  keeper: StatusKeeper;
}

/** Seals what is to be sent and hands it to the connection that is there, if it may be sent now. */
export class Uplink {
  /** Which connections are there. */
  readonly up = { alert: false, bulk: false };
  private readonly parts: UplinkParts;

  constructor(parts: UplinkParts) {
    this.parts = parts;
  }

  readonly send: SendBody = (lane, type, body, stream, earlier) => {
    const { transport, frames, greeting, keeper } = this.parts;
    // One connection is enough to send alerts; the other is there so that they wait behind nothing.
    const way = lane === 'alert' && !this.up.alert ? 'bulk' : lane;
    if (!this.up[way] || !greeting.maySend(type)) return undefined;
    const frame = frames.seal(type, body, stream, earlier);
    if (!transport.send(way, type, frame)) return undefined;
    greeting.handshake.sent();
    keeper.sent(frame.length);
    return frame.length;
  };
}
