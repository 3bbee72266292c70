import { MAX_VARINT, writeVarint, zigzag } from '../varint.ts';

/** Bytes that grow as they are written. One writer is used again and again: `reset` keeps its memory. */
export class ByteWriter {
  bytes: Buffer;
  length = 0;

  constructor(capacity = 4_096) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  reset(): void {
    this.length = 0;
  }

  private room(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const bytes = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
  }

  byte(value: number): void {
    this.room(1);
    this.bytes[this.length++] = value;
  }

  varint(value: number): void {
    this.room(MAX_VARINT);
    this.length = writeVarint(this.bytes, this.length, value);
  }

  signed(value: number): void {
    this.varint(zigzag(value));
  }

  u32(value: number): void {
    this.room(4);
    this.length = this.bytes.writeUInt32LE(value, this.length);
  }

  float(value: number): void {
    this.room(8);
    this.length = this.bytes.writeDoubleLE(value, this.length);
  }

  raw(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** What was written, in memory of its own. */
  taken(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.length));
  }
}
