import assert from 'node:assert/strict';
import { TideError } from '../../nodes/src/node/errors.ts';
import type { JournalLog } from '../../nodes/src/vault/journal/journal-log.ts';
import type { NewRecord } from '../../nodes/src/vault/journal/record.ts';
import { PAGE, journalRecord, openJournal, recordsOf } from './journal.ts';
import { PowerCut, SimulatedDisk, type DiskCall } from './simulated-disk.ts';
import { randomFrom } from './simulated-world.ts';

const CALLS: readonly DiskCall[] = ['write', 'write', 'sync', 'sync', 'create', 'rename', 'remove', 'sync-directory'];

/** How often each thing happened, so that a run can show that it tried them. */
export interface Happened {
  appended: number;
  refused: number;
  crashes: number;
  torn: number;
  survived: number;
  recycled: number;
}

/**
 * A journal on a disk that fails and loses power, beside a ledger of what was acknowledged. An append that failed or was
 * cut short may be there afterwards, whole, or not at all; what was acknowledged has to be there.
 */
export class JournalModel {
  readonly happened: Happened = { appended: 0, refused: 0, crashes: 0, torn: 0, survived: 0, recycled: 0 };
  private readonly random: () => number;
  private disk: SimulatedDisk;
  private log: JournalLog;
  private readonly ledger: NewRecord[] = [];
  /** Contents under which the next number was tried. */
  private attempts: NewRecord[] = [];
  private released = 1;
  private position = 1;
  private stamp = 0;
  private readonly fileBytes: number;

  constructor(seed: number) {
    this.random = randomFrom(seed);
    this.disk = new SimulatedDisk(seed);
    if (seed % 2 === 0) this.disk.tear();
    this.fileBytes = PAGE * (3 + this.below(14));
    this.log = openJournal(this.disk, { fileBytes: this.fileBytes }).log;
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) this.step();
    this.reopen(true);
    this.log.close();
  }

  private step(): void {
    const dice = this.random();
    if (dice < 0.06) this.disk.cutPowerAt(1 + this.below(6));
    else if (dice < 0.14)
      this.disk.fail(CALLS[this.below(CALLS.length)], 1 + this.below(2), this.random() < 0.5 ? 'io' : 'disk-full');
    else if (dice < 0.18) this.reopen(this.random() < 0.5);
    else if (dice < 0.28) this.guarded(() => this.release());
    else if (dice < 0.4) this.guarded(() => void this.log.prepare());
    else this.guarded(() => this.append());
  }

  private append(): void {
    const count = this.below(5);
    const lengths = Array.from({ length: this.below(4) }, () => this.length());
    const record = journalRecord(this.position, count, lengths, ++this.stamp);
    this.attempts.push(record);
    let number: number;
    try {
      ({ number } = this.log.append(record));
    } catch (error) {
      assert.equal(this.log.last, this.ledger.length);
      throw error;
    }
    assert.equal(number, this.ledger.length + 1);
    this.acknowledge(record);
    this.happened.appended++;
  }

  private acknowledge(record: NewRecord): void {
    this.ledger.push(record);
    this.position = record.first + record.count;
    this.attempts = [];
  }

  private release(): void {
    const { rename } = this.disk.calls;
    this.released = Math.max(this.released, 1 + this.below(this.ledger.length + 2));
    this.log.release(this.released);
    this.log.prepare();
    this.happened.recycled += this.disk.calls.rename - rename;
  }

  /** Runs a call that the disk may fail; after a power cut goes on with what is left. */
  private guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      if (error instanceof PowerCut) this.crash();
      else if (error instanceof TideError && (error.code === 'io' || error.code === 'disk-full'))
        this.happened.refused++;
      else throw error;
    }
  }

  private crash(): void {
    this.happened.crashes++;
    this.disk = this.disk.crash();
    this.open();
  }

  /** With the power on all the time, or off in between. */
  private reopen(crash: boolean): void {
    this.disk.heal();
    if (crash) this.crash();
    else {
      this.log.close();
      this.guarded(() => this.open());
    }
  }

  private open(): void {
    const options = { fileBytes: this.fileBytes, ...(this.random() < 0.3 ? { acknowledged: this.ledger.length } : {}) };
    // The power may go off, and the disk fail, while it is opened too.
    if (this.random() < 0.2) this.disk.cutPowerAt(1 + this.below(3));
    if (this.random() < 0.2) this.disk.fail(this.random() < 0.5 ? 'write' : 'sync', 1, 'io');
    let opened: ReturnType<typeof openJournal> | undefined;
    for (let tries = 0; opened === undefined; tries++) {
      assert.ok(tries < 50, 'it does not open');
      try {
        opened = openJournal(this.disk, options);
      } catch (error) {
        if (error instanceof PowerCut) this.disk = this.disk.crash();
        else if (!(error instanceof TideError) || error.code !== 'io') throw error;
      }
    }
    this.log = opened.log;
    for (const finding of opened.findings) assert.equal(finding.kind, 'torn', JSON.stringify(finding));
    this.happened.torn += opened.findings.length;
    this.check();
  }

  private check(): void {
    const { log, ledger } = this;
    assert.ok(log.last === ledger.length || log.last === ledger.length + 1, `${log.last} of ${ledger.length}`);
    assert.ok(log.oldest <= Math.max(this.released, 1), `${log.oldest} is the oldest, needed from ${this.released} on`);
    const found = recordsOf(log);
    if (log.last > ledger.length) {
      const survivor = found.get(log.last);
      const attempt = this.attempts.find((one) => one.wall === survivor?.wall);
      assert.ok(attempt !== undefined, `record ${log.last} was never handed in`);
      this.acknowledge(attempt);
      this.happened.survived++;
    }
    for (const [number, record] of found) assert.deepEqual(record, ledger[number - 1], `record ${number}`);
    assert.deepEqual([...log.verify()], []);
    this.checkPositions();
  }

  private checkPositions(): void {
    const { log, ledger } = this;
    for (let i = 0; i < 3; i++) {
      const position = 1 + this.below(this.position);
      const expected = ledger.findIndex(
        (one, at) => at + 1 >= log.oldest && (one.first > position || one.first + one.count > position),
      );
      assert.equal(log.find(position), expected < 0 ? undefined : expected + 1, `position ${position}`);
    }
  }

  private length(): number {
    const dice = this.random();
    if (dice < 0.6) return this.below(300);
    return dice < 0.9 ? this.below(3 * PAGE) : this.below(12 * PAGE);
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }
}
