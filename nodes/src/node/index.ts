export { systemClock, type Clock } from './clock.ts';
export { TideError, reasonOf, toError } from './errors.ts';
export { inBackground, onClose, onInput, shorten } from './handlers.ts';
export type { GatewayHost } from './host.ts';
export type * from './node-red.ts';
export { BUILT, ClockWatch, askTimeService, bootClock, bootId, type TimeServicePlaces } from './file-clock.ts';
export { ClockTrust, type ClockState, type SystemTime } from './clock-trust.ts';
