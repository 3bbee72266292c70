export { decodeBody, encodeBody } from './body.ts';
export { decodeCatalogue, encodeCatalogue, MAX_CATALOGUE_ENTRIES } from './catalogue.ts';
export { decodeCbor, encodeCbor } from './cbor.ts';
export {
  decodeToken,
  encodeToken,
  enrolmentProof,
  makeToken,
  proofHolds,
  tokenVerifier,
  type EnrolmentToken,
} from './enrolment.ts';
export { FrameCodec, type FrameIntent, type OpenedFrame } from './frame-codec.ts';
export { FrameError, type FrameErrorCode } from './frame-error.ts';
export { MAX_BODY_BYTES, MAX_FRAME_BYTES, type Address, type FrameHeader } from './frame.ts';
export { makeIdentity, publicKeys, type Identity, type KeyPair, type PeerKeys } from './identity.ts';
export * from './messages.ts';
export { readAccount, type Account, type EarlierAccount, type SeriesAccount } from './account.ts';
export { blockTally } from './block-tally.ts';
export { Backoff, type BackoffOptions } from './backoff.ts';
export { statusText, timeText, type BridgeStatus } from './bridge-status.ts';
export { loadEnrolment, storeEnrolment, type Enrolment } from './enrolment-store.ts';
export { Bridge, bridgeOf, type BridgeOptions, type Security } from './mqtt-bridge.ts';
export type { Progress } from './sync-progress.ts';
export { checkBroker, checkBrokerUrl, type BrokerOptions } from './broker-place.ts';
export { clip as clipRanges, normalise as normaliseRanges, rangesOf } from './ranges.ts';
export { Session, type SessionParts } from './session.ts';
export { CONFLICTS } from './settling.ts';
export type { Lane, Transport } from './transport.ts';
export { Outgoing, outgoingOf } from './outgoing.ts';
export { tallyOf } from './block-tally.ts';
export { splitBlocks } from './split-blocks.ts';
export { NAME, UP_FILTER, checkName, downFilter, parseTopic, topicOf } from './topics.ts';
