export { Consumer, type Save, type StateCodec } from './consumer.ts';
export { Deliveries, deliveriesOf } from './deliveries.ts';
export { decodeCbor, encodeCbor } from './cbor.ts';
export type { SourcedReadings, VaultCut } from './cut.ts';
export type * from './inventory.ts';
export { createKeyFile, describeKey, readKey } from './keys/file-key.ts';
export { checkNode, openVault } from './file-vault.ts';
export type { KeyStatus } from './keys/key-status.ts';
export type { ShredReport, VaultKeys } from './keys/vault-keys.ts';
export { openLocalVault } from './engine/sqlite-local.ts';
export { QUARANTINE_LIMIT, RECEIPT_WINDOW } from './vault.ts';
export type { Finding } from './disk.ts';
export type * from './vault.ts';
export * from './gaps.ts';
export * from './accounts.ts';
export * from './orphans.ts';
export {
  namesBefore,
  recordMoved,
  readSeriesRecords,
  SERIES_RECORDS,
  SeriesRegistry,
  type SeriesDescription,
  type SeriesRecord,
} from './series-records.ts';
export { RENEWAL, renewal } from './renewal.ts';
export { keepTime, type KeptTime } from './file-timekeeper.ts';
export { Timekeeper, timekeeperOf, type TimekeeperOptions } from './timekeeper.ts';
export { BOOTS, dated, datings, newestTrusted, type Boot, type Dating } from './dating.ts';
export { spanText, vaultWarnings } from './vault-warnings.ts';
export { rebuildVault, type Rebuilt } from './file-rebuild.ts';
export { globProblem, seriesMatcher } from './query/series-glob.ts';
export { momentOf } from './query/moment.ts';
export { FIELDS as QUERY_FIELDS, MAX_HELD_ROWS, type QueryRequest, requestOf } from './query/request.ts';
export { type Missing, missingText } from './query/missing.ts';
export { type Outcome as QueryOutcome } from './query/rows.ts';
export { QUOTA_FOUND } from './budget/budget-options.ts';
export type { BudgetOptions } from './budget/budget-options.ts';
