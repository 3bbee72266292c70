import { CloudRows } from './cloud-rows.ts';
import { alertKey, blockKey, type Ledger } from './ledger.ts';

/**
 * What the cloud's database holds now, and what it held when an older copy took its place: what was acknowledged before
 * that is no lie, and yet it is gone.
 */
export class CloudHistory {
  restores = 0;
  private readonly file: string;
  private readonly before = new Map<string, string>();
  private readonly givenBefore = new Map<string, number>();
  private rows: CloudRows | undefined;

  constructor(file: string) {
    this.file = file;
  }

  /** Digest of a block or an alert by its key in the ledger. */
  hasNow(key: string): string | undefined {
    this.rows ??= new CloudRows(this.file);
    const [gateway, ...rest] = key.split(' ');
    if (rest.length === 3) return this.rows.receipt(gateway, rest[0], rest[1], Number(rest[2]));
    const [id, revision] = rest[0].split('/');
    return this.rows.alert(gateway, id, Number(revision));
  }

  /**
   * Highest ticket of an incarnation: of all that were ever handed out, and of those that were shown as the database has it now.
   * One of before an older copy took its place lies on the gateway's disk as before.
   */
  tickets(incarnation: string): { given: number; shown: number } {
    this.rows ??= new CloudRows(this.file);
    const { given, shown } = this.rows.tickets(incarnation);
    return { given: Math.max(given, this.givenBefore.get(incarnation) ?? 0), shown };
  }

  hadBeforeRestore(key: string): string | undefined {
    return this.before.get(key);
  }

  /** The database file is about to be replaced; `older` by one of an earlier time. */
  replaced(older: boolean): void {
    if (older) {
      this.rows ??= new CloudRows(this.file);
      for (const { gateway, incarnation, stream, number, digest } of this.rows.receipts())
        this.before.set(blockKey(gateway, incarnation, stream, number), digest);
      for (const { gateway, id, revision, digest } of this.rows.alerts())
        this.before.set(alertKey(gateway, id, revision), digest);
      for (const { incarnation, given } of this.rows.ticketsGiven()) {
        const key = incarnation.toString('hex');
        this.givenBefore.set(key, Math.max(given, this.givenBefore.get(key) ?? 0));
      }
      this.restores++;
    }
    this.close();
  }

  /** The older copy is in place: what gateways have forgotten since is gone. */
  settle(ledger: Ledger): void {
    for (const [key, made] of [...ledger.blocks, ...ledger.alerts])
      if (made.fate === 'delivered' && this.hasNow(key) !== made.digest) made.fate = 'bereft';
  }

  close(): void {
    this.rows?.close();
    this.rows = undefined;
  }
}
