export type { Door, DoorOptions, DoorSink, DoorStats } from './door.ts';
export type { DoorMessage, DoorRule, PayloadFormat } from './message.ts';
