import { TideError } from '../node/errors.ts';

export type FrameErrorCode =
  | 'malformed'
  | 'too-large'
  | 'unknown'
  | 'unknown-key'
  | 'bad-signature'
  | 'bad-seal'
  | 'bad-version'
  | 'bad-codec'
  | 'upgrade'
  | 'fenced';

/**
 * Why a frame was refused. `unknown`: nobody knows its sender; `unknown-key`: it names no key that can be derived;
 * `upgrade`: its sender writes a schema that is not read here; `fenced`: it is of another copy of its sender.
 */
export class FrameError extends TideError {
  declare readonly code: FrameErrorCode;

  constructor(code: FrameErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
    this.name = 'FrameError';
  }
}
