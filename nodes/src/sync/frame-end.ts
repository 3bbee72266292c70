import type { Clock } from '../node/clock.ts';
import type { Enrolment } from './enrolment-store.ts';
import { FrameCodec } from './frame-codec.ts';
import { FrameError } from './frame-error.ts';
import type { FrameType } from './messages.ts';
import { parseTopic } from './topics.ts';

/** The gateway's end of the frames: sealed for its cloud, and opened only if they are from it and for this incarnation. */
export class FrameEnd {
  private readonly codec: FrameCodec;
  private readonly place: Pick<Enrolment, 'tenant' | 'gateway' | 'cloudKeys'>;
  private readonly incarnation: Uint8Array;

  /** `incarnation`: 32 hexadecimal digits. */
  constructor(clock: Clock, enrolment: Enrolment, incarnation: string) {
    this.codec = new FrameCodec(enrolment.identity, clock);
    this.place = enrolment;
    this.incarnation = Uint8Array.from(Buffer.from(incarnation, 'hex'));
  }

  seal(type: FrameType, body: Uint8Array, stream?: string): Uint8Array {
    const { tenant, gateway, cloudKeys } = this.place;
    const { incarnation } = this;
    const intent = { incarnation, includeKeys: type === 'hello', ...(stream === undefined ? {} : { stream }) };
    return this.codec.seal({ tenant, gateway, direction: 'up', type }, intent, body, cloudKeys.agree);
  }

  /** Throws FrameError. */
  open(topic: string, frame: Uint8Array): { type: FrameType; body: Uint8Array } {
    const { tenant, gateway, cloudKeys } = this.place;
    const address = parseTopic(topic);
    if (address?.direction !== 'down' || address.tenant !== tenant || address.gateway !== gateway)
      throw new FrameError('unknown', `a frame on ${topic.slice(0, 100)}`);
    const { header, body } = this.codec.open(address, frame, () => cloudKeys);
    if (Buffer.compare(header.incarnation, this.incarnation) !== 0)
      throw new FrameError('unknown', 'a frame for another incarnation of this gateway');
    return { type: address.type, body };
  }
}
