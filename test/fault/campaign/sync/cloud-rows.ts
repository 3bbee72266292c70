import Database from 'better-sqlite3';

/** What the cloud's database holds, read with SQL over a connection of its own: whatever the cloud itself says of it. */
export class CloudRows {
  private readonly db: Database.Database;
  private readonly prepared = new Map<string, Database.Statement>();

  constructor(file: string) {
    this.db = new Database(file, { readonly: true, fileMustExist: true });
  }

  /** SHA-256 of a block's body by what its receipt says. */
  receipt(gateway: string, incarnation: string, stream: string, number: number): string | undefined {
    const digest = this.prepare<unknown[], Buffer>(
      `SELECT digest FROM receipts JOIN streams ON streams.id = stream_id
           JOIN incarnations ON incarnations.id = streams.incarnation_id JOIN gateways ON gateways.id = incarnations.gateway_id
         WHERE gateways.name = ? AND incarnation = ? AND streams.name = ? AND number = ?`,
    )
      .pluck()
      .get(gateway, Buffer.from(incarnation, 'hex'), stream, number);
    return digest?.toString('hex');
  }

  receipts(): { gateway: string; incarnation: string; stream: string; number: number; digest: string }[] {
    return this.db
      .prepare<[], { gateway: string; incarnation: Buffer; stream: string; number: number; digest: Buffer }>(
        `SELECT gateways.name AS gateway, incarnation, streams.name AS stream, number, digest FROM receipts
           JOIN streams ON streams.id = stream_id JOIN incarnations ON incarnations.id = streams.incarnation_id
           JOIN gateways ON gateways.id = incarnations.gateway_id`,
      )
      .all()
      .map((row) => ({ ...row, incarnation: row.incarnation.toString('hex'), digest: row.digest.toString('hex') }));
  }

  alert(gateway: string, id: string, revision: number): string | undefined {
    const digest = this.prepare<unknown[], Buffer>(
      `SELECT digest FROM alert_revisions JOIN gateways ON gateways.id = gateway_id
         WHERE gateways.name = ? AND alert_id = ? AND revision = ?`,
    )
      .pluck()
      .get(gateway, id, revision);
    return digest?.toString('hex');
  }

  alerts(): { gateway: string; id: string; revision: number; digest: string }[] {
    return this.db
      .prepare<[], { gateway: string; id: string; revision: number; digest: Buffer }>(
        `SELECT gateways.name AS gateway, alert_id AS id, revision, digest FROM alert_revisions
           JOIN gateways ON gateways.id = gateway_id`,
      )
      .all()
      .map((row) => ({ ...row, digest: row.digest.toString('hex') }));
  }

  /** Canonical bytes of all parts of a gateway whose series has a name, in hexadecimal, by `series stream window`. */
  parts(gateway: string): Map<string, string[]> {
    const found = new Map<string, string[]>();
    const rows = this.db
      .prepare<[string], { series: string; stream: string; start: number; summary: Buffer }>(
        `SELECT series.name AS series, streams.name AS stream, window_start AS start, summary FROM parts
           JOIN streams ON streams.id = parts.stream_id JOIN incarnations ON incarnations.id = streams.incarnation_id
           JOIN gateways ON gateways.id = incarnations.gateway_id
           JOIN series ON series.incarnation_id = incarnations.id AND series.number = parts.series
         WHERE gateways.name = ?`,
      )
      .iterate(gateway);
    for (const { series, stream, start, summary } of rows) {
      const key = `${series} ${stream} ${start}`;
      found.set(key, [...(found.get(key) ?? []), summary.toString('hex')]);
    }
    return found;
  }

  /** Highest ticket of an incarnation: of all that were handed out, and of those that were shown. */
  tickets(incarnation: string): { given: number; shown: number } {
    const { given, shown } = this.db
      .prepare<[Buffer], { given: number | null; shown: number | null }>(
        `SELECT max(number) AS given, max(CASE fate WHEN 'shown' THEN number END) AS shown FROM tickets
           JOIN incarnations ON incarnations.id = incarnation_id WHERE incarnation = ?`,
      )
      .get(Buffer.from(incarnation, 'hex'))!;
    return { given: given ?? 0, shown: shown ?? 0 };
  }

  /** Highest ticket of each incarnation that was handed out. */
  ticketsGiven(): { incarnation: Buffer; given: number }[] {
    return this.db
      .prepare<[], { incarnation: Buffer; given: number }>(
        'SELECT incarnation, max(number) AS given FROM tickets JOIN incarnations ON incarnations.id = incarnation_id GROUP BY incarnation',
      )
      .all();
  }

  count(table: 'forks' | 'poison'): number {
    return this.db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get()!;
  }

  private prepare<Parameters extends unknown[], Row>(sql: string): Database.Statement<Parameters, Row> {
    let statement = this.prepared.get(sql);
    if (statement === undefined) this.prepared.set(sql, (statement = this.db.prepare(sql)));
    return statement as Database.Statement<Parameters, Row>;
  }

  close(): void {
    this.db.close();
  }
}
