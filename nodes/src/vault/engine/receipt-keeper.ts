import { decodeReceipts } from '../receipt-codec.ts';
import { RECEIPT_WINDOW } from '../vault.ts';

interface Part {
  /** Journal record that brought them. */
  record: number;
  count: number;
  /** Of receipt-codec. */
  bytes: Uint8Array;
}

/** The newest receipts, packed as they lie in the journal, oldest first. */
export class ReceiptKeeper {
  private parts: Part[] = [];
  private total = 0;

  /** Takes what a commit brought, and lets go of parts that lie wholly beyond the window. */
  add(record: number, bytes: Uint8Array, count = decodeReceipts(bytes).length): void {
    this.parts.push({ record, count, bytes });
    this.total += count;
    let drop = 0;
    while (drop < this.parts.length && this.total - this.parts[drop].count >= RECEIPT_WINDOW)
      this.total -= this.parts[drop++].count;
    if (drop > 0) this.parts = this.parts.slice(drop);
  }

  /** Takes what is older than all that is there. False when the window is full. */
  addOlder(record: number, bytes: Uint8Array): boolean {
    const count = decodeReceipts(bytes).length;
    if (this.total >= RECEIPT_WINDOW) return false;
    this.parts.unshift({ record, count, bytes });
    this.total += count;
    return true;
  }

  get full(): boolean {
    return this.total >= RECEIPT_WINDOW;
  }

  /** Packed, oldest first. */
  packed(): Uint8Array[] {
    return this.parts.map(({ bytes }) => bytes);
  }

  /** Digests of eight bytes, oldest commit first, at most the window. */
  digests(): Uint8Array {
    const all = Buffer.concat(
      this.parts.map(({ bytes }) => {
        const digests = decodeReceipts(bytes);
        return Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength);
      }),
    );
    return Uint8Array.from(all.subarray(-RECEIPT_WINDOW * 8));
  }
}
