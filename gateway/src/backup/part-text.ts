/** Lines of a part as they gather: kept as bytes, which cost the garbage collector nothing. */
export class PartText {
  /** Lines beside the head. */
  lines = 0;
  bytes = 0;
  private readonly done: Buffer[] = [];
  private text: string;

  /** `head`: a first line, which is not counted. */
  constructor(head?: string) {
    this.text = head === undefined ? '' : `${head}\n`;
  }

  add(line: string): void {
    this.text += `${line}\n`;
    this.lines++;
    this.bytes += line.length + 1;
    if (this.text.length >= FLUSH) this.flush();
  }

  body(): Buffer {
    this.flush();
    return Buffer.concat(this.done);
  }

  private flush(): void {
    this.done.push(Buffer.from(this.text, 'utf8'));
    this.text = '';
  }
}

const FLUSH = 64 * 1024;
