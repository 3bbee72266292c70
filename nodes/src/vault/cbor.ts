import { Encoder } from 'cbor-x';

/**
 * CBOR for what the vault seals. What is decoded here was sealed by this vault, so it is trusted once its seal is
 * intact; `copyBuffers` because a view would keep the whole record alive and change under its owner.
 */
const codec = new Encoder({
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  tagUint8Array: false,
  copyBuffers: true,
});

export function encodeCbor(value: unknown): Uint8Array {
  // A copy: cbor-x hands out a view of a buffer that it goes on writing into.
  return Uint8Array.from(codec.encode(value));
}

export function decodeCbor(bytes: Uint8Array): unknown {
  const value: unknown = codec.decode(bytes);
  return value;
}
