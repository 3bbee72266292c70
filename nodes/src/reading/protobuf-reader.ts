/**
 * Reads protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding) field by field, within bounds:
 * nothing is built, a length never passes the end, groups are refused.
 */
export class ProtobufReader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at: number;
  private readonly end: number;
  /** Number of the field that `next` found. */
  field = 0;
  private wire = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
    this.end = bytes.length;
  }

  /** Moves on to the next field; false at the end. Its value has to be read or skipped. */
  next(): boolean {
    if (this.at >= this.end) return false;
    const tag = Number(this.varint());
    this.field = Math.floor(tag / 8);
    this.wire = tag % 8;
    if (this.field === 0) throw new Error('a protobuf field has the number 0');
    return true;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.at >= this.end) break;
      const byte = this.bytes[this.at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new Error('a protobuf number does not end');
  }

  uint(): bigint {
    this.expect(0);
    return this.varint();
  }

  float(): number {
    this.expect(5);
    return this.view.getFloat32(this.take(4), true);
  }

  double(): number {
    this.expect(1);
    return this.view.getFloat64(this.take(8), true);
  }

  /** A view of the bytes of a string, a message or bytes. */
  block(): Uint8Array {
    this.expect(2);
    const length = Number(this.varint());
    const from = this.take(length);
    return this.bytes.subarray(from, from + length);
  }

  text(): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.block());
  }

  skip(): void {
    if (this.wire === 0) this.varint();
    else if (this.wire === 1) this.take(8);
    else if (this.wire === 2) this.block();
    else if (this.wire === 5) this.take(4);
    else throw new Error(`protobuf wire type ${this.wire} is not read`);
  }

  private expect(wire: number): void {
    if (this.wire !== wire)
      throw new Error(`protobuf field ${this.field} has wire type ${this.wire} instead of ${wire}`);
  }

  private take(length: number): number {
    if (length > this.end - this.at) throw new Error('a protobuf field passes the end of the payload');
    const from = this.at;
    this.at += length;
    return from;
  }
}
