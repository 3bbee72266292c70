export { doorOf } from './door-of.ts';
export type { Door, DoorOptions, DoorSink, DoorStats, PressureListener } from './door.ts';
export { DurableDoor, type DurableDoorOptions } from './durable-door.ts';
export type { DoorMessage, DoorRule } from './message.ts';
export { doorRulesOf, ruleOf, sourceOf, type IngestSource } from './rule.ts';
export { filterProblem, matchTopic } from './topic-filter.ts';
export type { PayloadFormat } from '../reading/payload.ts';
