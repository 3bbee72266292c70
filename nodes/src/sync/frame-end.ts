import type { Clock } from '../node/clock.ts';
import type { Enrolment } from './enrolment-store.ts';
import { FrameCodec } from './frame-codec.ts';
import { FrameError } from './frame-error.ts';
import type { FrameType } from './messages.ts';
import { parseTopic } from './topics.ts';

/**
 * The gateway's end of the frames: sealed for its cloud, and opened only if they are from it and for this incarnation, or
 * for an earlier one of which blocks still wait.
 */
export class FrameEnd {
  private readonly codec: FrameCodec;
  private readonly place: Pick<Enrolment, 'tenant' | 'gateway' | 'cloudKeys'>;
  private readonly incarnation: string;
  private earlier: ReadonlySet<string> = new Set();

  /** `incarnation`: 32 hexadecimal digits. */
  constructor(clock: Clock, enrolment: Enrolment, incarnation: string) {
    this.codec = new FrameCodec(enrolment.identity, clock);
    this.place = enrolment;
    this.incarnation = incarnation;
  }

  /** Incarnations for which frames are opened beside this one. */
  admit(earlier: Iterable<string>): void {
    this.earlier = new Set(earlier);
  }

  /** Under this vault's own incarnation, or under the earlier one that is given. */
  seal(type: FrameType, body: Uint8Array, stream?: string, earlier?: string): Uint8Array {
    const { tenant, gateway, cloudKeys } = this.place;
    const incarnation = Uint8Array.from(Buffer.from(earlier ?? this.incarnation, 'hex'));
    const intent = { incarnation, includeKeys: type === 'hello', ...(stream === undefined ? {} : { stream }) };
    return this.codec.seal({ tenant, gateway, direction: 'up', type }, intent, body, cloudKeys.agree);
  }

  /** `earlier` is set when the frame is for an earlier incarnation. Throws FrameError. */
  open(topic: string, frame: Uint8Array): { type: FrameType; body: Uint8Array; earlier?: string } {
    const { tenant, gateway, cloudKeys } = this.place;
    const address = parseTopic(topic);
    if (address?.direction !== 'down' || address.tenant !== tenant || address.gateway !== gateway)
      throw new FrameError('unknown', `a frame on ${topic.slice(0, 100)}`);
    const { header, body } = this.codec.open(address, frame, () => cloudKeys);
    const incarnation = Buffer.from(header.incarnation).toString('hex');
    if (incarnation === this.incarnation) return { type: address.type, body };
    if (!this.earlier.has(incarnation))
      throw new FrameError('unknown', 'a frame for another incarnation of this gateway');
    return { type: address.type, body, earlier: incarnation };
  }
}
