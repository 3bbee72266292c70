/** The bytes of a file, and what of them was written. */
export class Image {
  private bytes: Uint8Array;
  size: number;

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.bytes = bytes;
    this.size = bytes.length;
  }

  get content(): Uint8Array {
    return this.bytes.subarray(0, this.size);
  }

  clone(): Image {
    // Not slice(): a Buffer's shares the memory.
    return new Image(Uint8Array.from(this.content));
  }

  write(offset: number, data: Uint8Array): void {
    this.reach(offset + data.length);
    this.bytes.set(data, offset);
  }

  /** Cuts off, or lengthens with zeros. */
  resize(size: number): void {
    if (size > this.size) this.reach(size);
    else {
      this.bytes.fill(0, size, this.size);
      this.size = size;
    }
  }

  private reach(size: number): void {
    if (size > this.bytes.length) {
      const larger = new Uint8Array(Math.max(size, this.bytes.length * 2, 4_096));
      larger.set(this.content);
      this.bytes = larger;
    }
    this.size = Math.max(this.size, size);
  }
}
