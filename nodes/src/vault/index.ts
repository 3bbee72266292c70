export { Consumer, type Save, type StateCodec } from './consumer.ts';
export type * from './vault.ts';
