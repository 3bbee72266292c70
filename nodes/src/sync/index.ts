export type { Address, FrameHeader } from './frame.ts';
export * from './messages.ts';
