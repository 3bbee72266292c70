const EMPTY = 0;

/**
 * A set of receipts in one flat piece of memory: open addressing with linear probing (Knuth, TAOCP 3, 6.4, algorithm L),
 * eight bytes a place, at most half of the places taken. A Set of bigints takes ten times as much.
 */
export class ReceiptSet {
  size = 0;
  private words: Uint32Array;
  private mask: number;
  /** The receipt of 64 zero bits would look like an empty place. */
  private zero = false;

  /** @param expected Receipts that it holds before it has to grow. */
  constructor(expected = 8) {
    const places = 2 ** Math.ceil(Math.log2(Math.max(2 * expected, 16)));
    this.words = new Uint32Array(2 * places);
    this.mask = places - 1;
  }

  add(client: number, message: number): void {
    if (client === 0 && message === 0) {
      if (!this.zero) this.size++;
      this.zero = true;
      return;
    }
    const at = this.find(client, message);
    if (!this.isEmpty(at)) return;
    this.words[at] = client;
    this.words[at + 1] = message;
    if (++this.size * 2 > this.mask + 1) this.grow();
  }

  has(client: number, message: number): boolean {
    if (client === 0 && message === 0) return this.zero;
    return !this.isEmpty(this.find(client, message));
  }

  clear(): void {
    this.words.fill(EMPTY);
    this.size = 0;
    this.zero = false;
  }

  /** Where the receipt lies, or the empty place for it. */
  private find(client: number, message: number): number {
    const { words, mask } = this;
    // The identifier counts up within a client and the client's bits are a hash: their sum spreads evenly.
    let place = (Math.imul(message ^ (message >>> 16), 2_654_435_761) + client) & mask;
    while (!this.isEmpty(2 * place) && (words[2 * place] !== client || words[2 * place + 1] !== message))
      place = (place + 1) & mask;
    return 2 * place;
  }

  private isEmpty(at: number): boolean {
    return this.words[at] === EMPTY && this.words[at + 1] === EMPTY;
  }

  private grow(): void {
    const old = this.words;
    this.words = new Uint32Array(2 * old.length);
    this.mask = old.length - 1;
    for (let i = 0; i < old.length; i += 2) {
      if (old[i] === EMPTY && old[i + 1] === EMPTY) continue;
      const at = this.find(old[i], old[i + 1]);
      this.words[at] = old[i];
      this.words[at + 1] = old[i + 1];
    }
  }
}

/** The receipts of committed publishes: at least the newest `limit`, at most twice as many. */
export class ReceiptWindow {
  private readonly limit: number;
  private young: ReceiptSet;
  private old: ReceiptSet;

  constructor(limit: number) {
    this.limit = limit;
    this.young = new ReceiptSet();
    this.old = new ReceiptSet();
  }

  add(client: number, message: number): void {
    if (this.young.size >= this.limit) {
      const emptied = this.old;
      emptied.clear();
      this.old = this.young;
      this.young = emptied;
    }
    this.young.add(client, message);
  }

  has(client: number, message: number): boolean {
    return this.young.has(client, message) || this.old.has(client, message);
  }
}

/** Receipts of messages that are not committed yet, in order of arrival; a lookup builds its index on the way. */
export class PendingReceipts {
  length = 0;
  private words = new Uint32Array(16);
  private index: ReceiptSet | undefined;
  private indexed = 0;

  push(client: number, message: number): void {
    if (2 * this.length === this.words.length) {
      const grown = new Uint32Array(2 * this.words.length);
      grown.set(this.words);
      this.words = grown;
    }
    // Little-endian, as all that Node runs on: the upper half comes second.
    this.words[2 * this.length] = message;
    this.words[2 * this.length + 1] = client;
    this.length++;
  }

  has(client: number, message: number): boolean {
    this.index ??= new ReceiptSet();
    for (; this.indexed < this.length; this.indexed++)
      this.index.add(this.words[2 * this.indexed + 1], this.words[2 * this.indexed]);
    return this.index.has(client, message);
  }

  /** Whole receipts, as the vault takes them: a view, valid until the next `push`. */
  get digests(): BigUint64Array {
    return new BigUint64Array(this.words.buffer, 0, this.length);
  }

  addTo(window: ReceiptWindow): void {
    for (let i = 0; i < 2 * this.length; i += 2) window.add(this.words[i + 1], this.words[i]);
  }
}
