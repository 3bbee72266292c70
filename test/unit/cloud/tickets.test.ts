import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Ticket } from '@tidegate/nodes/sync';
import { MAX_GIVEN, judge, type Judgement } from '../../../cloud-bridge/src/merge/tickets.ts';
import type { TicketState } from '../../../cloud-bridge/src/store/store.ts';

/** The cloud's side of one incarnation, which may be restored from an older copy. */
class Office {
  state: TicketState | undefined;
  private made = 0;

  hello(session: number, ticket: Ticket | undefined): Judgement {
    const nonce = (): Uint8Array => Uint8Array.from(Buffer.from(String(++this.made).padStart(16)));
    const judgement = judge(this.state, ticket === undefined ? { session } : { session, ticket }, nonce);
    if (judgement.state !== undefined) this.state = judgement.state;
    return judgement;
  }

  /** What a gateway holds after a HELLO that went well. */
  welcomed(session: number, ticket: Ticket | undefined): Ticket {
    const judgement = this.hello(session, ticket);
    assert.ok(!judgement.fenced, `${session} is fenced with ticket ${ticket?.[0]}`);
    return judgement.ticket ?? ticket!;
  }
}

describe('rolling tickets', () => {
  let office: Office;

  beforeEach(() => (office = new Office()));

  it('roll with each HELLO', () => {
    const first = office.welcomed(1, undefined);
    const second = office.welcomed(1, first);
    assert.deepEqual([first[0], second[0]], [1, 2]);
    assert.equal(office.welcomed(2, second)[0], 3, 'a new process of the same gateway goes on with them');
  });

  it('stay the same for a process whose answers are lost', () => {
    const first = office.welcomed(1, undefined);
    const lost = office.welcomed(1, first);
    assert.deepEqual(office.welcomed(1, first), lost);
    assert.equal(office.state?.given.length, 1);
  });

  it('do not fence a process that follows one which died before it stored its ticket, however often', () => {
    const first = office.welcomed(1, undefined);
    for (let session = 2; session < 30; session++) office.welcomed(session, first);
    assert.equal(office.state?.given.length, MAX_GIVEN);
    const stored = office.welcomed(30, first);
    assert.equal(office.welcomed(30, stored)[0], stored[0] + 1);
  });

  it('fence a restored copy once the ticket after its own was shown, and leave the other one alone', () => {
    const copied = office.welcomed(1, undefined);
    const newer = office.welcomed(1, copied);
    const newest = office.welcomed(1, newer);
    assert.deepEqual(office.hello(2, copied), { fenced: true });
    assert.deepEqual(office.hello(2, undefined), { fenced: true });
    assert.equal(office.welcomed(1, newest)[0], newest[0] + 1);
  });

  it('let one of two that run at once go on, and fence the other one', () => {
    const copied = office.welcomed(1, undefined);
    const [one, other] = [office.welcomed(1, copied), office.welcomed(2, copied)];
    const next = office.welcomed(2, other);
    assert.deepEqual(office.hello(1, one), { fenced: true });
    office.welcomed(2, next);
  });

  it('do not fence who shows one that was handed out before the cloud was restored', () => {
    const first = office.welcomed(1, undefined);
    const backup = office.state;
    let ticket = first;
    for (let i = 0; i < 5; i++) ticket = office.welcomed(1, ticket);
    office.state = backup;
    const next = office.welcomed(2, ticket);
    assert.equal(next[0], ticket[0] + 1);
    assert.deepEqual(office.hello(3, first), { fenced: true }, 'an older copy of before the restore');
    office.state = undefined;
    office.welcomed(3, next);
  });

  it('take a HELLO of a known process that comes late for no copy, and tell it nothing', () => {
    const first = office.welcomed(1, undefined);
    const second = office.welcomed(1, first);
    office.welcomed(1, second);
    assert.deepEqual(office.hello(1, first), { fenced: false });
  });

  it('tell tickets of one number apart', () => {
    const first = office.welcomed(1, undefined);
    office.welcomed(1, first);
    assert.deepEqual(office.hello(2, [1, new Uint8Array(16)]), { fenced: true });
  });

  type Step = 'hello' | 'lost' | 'dies' | 'late' | 'backup' | 'restore';
  const steps = fc.array(fc.constantFrom<Step>('hello', 'hello', 'lost', 'dies', 'late', 'backup', 'restore'), {
    maxLength: 60,
  });

  it('never fence a gateway of which there is one, whatever is lost, late, or restored at the cloud', () => {
    fc.assert(
      fc.property(steps, fc.infiniteStream(fc.nat()), (done, choices) => {
        const cloud = new Office();
        const said: { session: number; ticket: Ticket | undefined }[] = [];
        let backup: TicketState | undefined;
        let session = 1;
        let ticket: Ticket | undefined;
        for (const step of done) {
          if (step === 'hello') {
            said.push({ session, ticket });
            ticket = cloud.welcomed(session, ticket);
          } else if (step === 'lost' || step === 'dies') {
            said.push({ session, ticket });
            cloud.welcomed(session, ticket);
            if (step === 'dies') session++;
          } else if (step === 'late' && said.length > 0) {
            const late = said[choices.next().value! % said.length];
            const { fenced } = cloud.hello(late.session, late.ticket);
            // Of a process that is gone nobody waits for the answer.
            assert.ok(!fenced || late.session !== session, 'its own late HELLO fences it');
          } else if (step === 'backup') backup = cloud.state;
          else if (step === 'restore') cloud.state = backup;
        }
        cloud.welcomed(session, ticket);
      }),
      { numRuns: 3_000 },
    );
  });

  it('leave exactly one of several copies that go on asking', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { minLength: 30, maxLength: 60 }), (turns) => {
        const cloud = new Office();
        const start = cloud.welcomed(9, undefined);
        const copies = [0, 1, 2].map((session) => ({ session, ticket: start, fenced: false, turns: 0 }));
        for (const turn of [...turns, 0, 1, 2, 0, 1, 2]) {
          const copy = copies[turn];
          if (copy.fenced) continue;
          const judgement = cloud.hello(copy.session, copy.ticket);
          if (judgement.fenced) copy.fenced = true;
          else copy.ticket = judgement.ticket ?? copy.ticket;
        }
        assert.equal(copies.filter(({ fenced }) => !fenced).length, 1);
      }),
      { numRuns: 1_000 },
    );
  });
});
