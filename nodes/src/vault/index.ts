export { Consumer, type Save, type StateCodec } from './consumer.ts';
export { Deliveries, deliveriesOf } from './deliveries.ts';
export { createKeyFile, describeKey, readKey } from './keys/file-key.ts';
export { checkNode, openVault } from './file-vault.ts';
export { openLocalVault } from './engine/sqlite-local.ts';
export { QUARANTINE_LIMIT, RECEIPT_WINDOW } from './vault.ts';
export type * from './vault.ts';
