import {
  DECIMAL,
  EXTRAS,
  FLOAT,
  HAS_ANOMALY,
  HAS_UNIT,
  HEAD,
  STRING,
  TRUE,
  VERSION,
  decodeStrings,
} from '../batch-codec.ts';
import { VarintReader, unzigzag } from '../varint.ts';

export const TYPE = 7;

/**
 * Steps through the readings of a batch (batch-codec) without making objects of them: after `next`, the fields say what
 * the reading is. One reader serves for many batches.
 */
export class BatchReader {
  count = 0;
  series = 0;
  time = 0;
  flags = 0;
  /** A decimal before it is divided, a float, 0 or 1, or what `index` gave for a word. */
  value = 0;
  has = 0;
  unit = 0;
  anomaly = 0;
  private readonly index: (word: string) => number;
  private bytes: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(this.bytes.buffer);
  private whole = true;
  private flagAt = 0;
  private seriesColumn = new VarintReader(this.bytes);
  private times = this.seriesColumn;
  private values = this.seriesColumn;
  private extras = this.seriesColumn;
  private strings: number[] = [];

  /** `index`: gives words and units their numbers. */
  constructor(index: (word: string) => number) {
    this.index = index;
  }

  /** Throws RangeError for another version. */
  start(bytes: Uint8Array): void {
    if (bytes.length < HEAD || bytes[0] !== VERSION) throw new RangeError(`a batch of version ${bytes[0]}`);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.whole = bytes[1] === 0;
    this.count = this.view.getUint32(2, true);
    const begins = [HEAD];
    for (let i = 0; i < 5; i++) begins.push(begins[i] + this.view.getUint32(6 + 4 * i, true));
    this.flagAt = begins[0];
    this.seriesColumn = new VarintReader(bytes, begins[1]);
    this.times = new VarintReader(bytes, begins[2]);
    this.values = new VarintReader(bytes, begins[3]);
    this.extras = new VarintReader(bytes, begins[4]);
    this.strings = begins[5] < bytes.length ? decodeStrings(bytes.subarray(begins[5])).map(this.index) : [];
    this.time = 0;
  }

  next(): void {
    const flags = this.bytes[this.flagAt++];
    this.flags = flags;
    this.series = this.seriesColumn.next();
    if (this.whole) this.time += unzigzag(this.times.next());
    else this.time = this.float(this.times);
    const type = flags & TYPE;
    if (type >= DECIMAL) this.value = unzigzag(this.values.next());
    else if (type === FLOAT) this.value = this.float(this.values);
    else if (type === STRING) this.value = this.strings[this.values.next()];
    else this.value = type === TRUE ? 1 : 0;
    this.has = 0;
    this.unit = 0;
    if ((flags & EXTRAS) === 0) return;
    this.has = this.bytes[this.extras.at++];
    if ((this.has & HAS_UNIT) !== 0) this.unit = this.strings[this.extras.next()];
    if ((this.has & HAS_ANOMALY) !== 0) this.anomaly = this.float(this.extras);
  }

  private float(column: VarintReader): number {
    column.at += 8;
    return this.view.getFloat64(column.at - 8, true);
  }
}
