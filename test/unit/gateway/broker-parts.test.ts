import assert from 'node:assert/strict';
import { promisify } from 'node:util';
import { Aedes } from 'aedes';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';
import { Complaints } from '../../../gateway/src/broker/complaints.ts';
import { passUnheardBy } from '../../../gateway/src/broker/mqtt-aedes.ts';
import { PacketGuard } from '../../../gateway/src/broker/packet-guard.ts';
import { RetainedBudget } from '../../../gateway/src/broker/retained-budget.ts';
import { hashPassword, makePassword, PasswordCheck, passwordMatches } from '../../../gateway/src/login/password.ts';

const publish = (bytes: number): Packet => ({
  cmd: 'publish',
  topic: 't',
  payload: Buffer.alloc(bytes, 120),
  qos: 0,
  dup: false,
  retain: false,
});

describe('packet guard', () => {
  it('lets whole streams through however they are cut, and finds the packet that is too large', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 20 }),
        fc.boolean(),
        fc.infiniteStream(fc.integer({ min: 1, max: 90 })),
        (sizes, oneTooMany, cuts) => {
          const packets = sizes.map((size) => generate(publish(size)));
          if (oneTooMany) packets.push(generate(publish(500)));
          const stream = Buffer.concat(packets);
          const guard = new PacketGuard(400);
          let found: number | undefined;
          for (let at = 0; at < stream.length && found === undefined;) {
            const length = cuts.next().value;
            found = guard.check(stream.subarray(at, at + length));
            at += length;
          }
          assert.equal(found, oneTooMany ? 503 : undefined);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('finds it by its announcement, before any of its body has come', () => {
    assert.equal(new PacketGuard(1000).check(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f])), 268_435_455);
  });

  it('refuses a length of more than four bytes', () => {
    assert.equal(
      new PacketGuard(1000).check(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x7f])),
      Number.POSITIVE_INFINITY,
    );
  });
});

/** What aedes has inside (mqemitter). */
interface Emitter {
  _matcher: { match: (topic: string) => unknown[] };
  emit(packet: object, done: () => void): void;
}

describe('topics that nobody has subscribed to', () => {
  it('are known after the first message, unless they are long', async () => {
    const aedes = await Aedes.createBroker();
    const looked: string[] = [];
    const { mq } = aedes as unknown as { mq: Emitter };
    const { _matcher: matcher } = mq;
    const match = matcher.match.bind(matcher);
    matcher.match = (topic) => {
      looked.push(topic);
      return match(topic);
    };
    passUnheardBy(aedes);
    const lookups = async (topic: string): Promise<number> => {
      looked.length = 0;
      const emit = promisify((packet: object, done: () => void) => mq.emit(packet, done));
      await emit({ topic, payload: 'x', qos: 0, cmd: 'publish' });
      return looked.filter((one) => one === topic).length;
    };
    const [short, long] = ['x'.repeat(256), 'x'.repeat(257)];
    try {
      assert.ok((await lookups(short)) > 0);
      assert.equal(await lookups(short), 0);
      assert.ok((await lookups(long)) > 0);
      assert.ok((await lookups(long)) > 0, 'a long one takes no room');
    } finally {
      await promisify(aedes.close.bind(aedes))();
    }
  });
});

describe('complaints', () => {
  it('writes one line of a kind in ten seconds and counts the others', () => {
    let now = 0;
    const lines: string[] = [];
    const complaints = new Complaints((line) => lines.push(line), { now: () => now, monotonic: () => now });
    for (; now < 25_000; now += 1_000) complaints.say('commit', 'too slow');
    complaints.say('login', 'refused');
    assert.deepEqual(lines, [
      'too slow',
      'too slow (and 9 more like this)',
      'too slow (and 9 more like this)',
      'refused',
    ]);
  });
});

describe('retained budget', () => {
  it('keeps within its bounds, and gives back what is replaced or cleared', () => {
    const budget = new RetainedBudget(2, 100);
    assert.ok(budget.admits('a', 40));
    assert.ok(budget.admits('b', 40));
    assert.ok(!budget.admits('c', 1), 'no third topic');
    assert.ok(!budget.admits('b', 80), 'no more bytes');
    assert.ok(budget.admits('b', 10));
    assert.ok(budget.admits('a', 0));
    assert.ok(budget.admits('c', 80));
  });
});

describe('passwords', () => {
  it('match their hash and nothing else', async () => {
    const hash = await hashPassword('low tide');
    assert.ok(await passwordMatches('low tide', hash));
    assert.ok(!(await passwordMatches('low tidE', hash)));
    assert.ok(!(await passwordMatches('low tide', hash.replace('scrypt$15', 'scrypt$30'))));
    assert.ok(!(await passwordMatches('low tide', 'nonsense')));
  });

  it('are checked for each user, and remembered when right', async () => {
    const check = new PasswordCheck([{ name: 'press', passwordHash: await hashPassword('high tide') }]);
    assert.deepEqual(
      await Promise.all([
        check.matches('press', 'high tide'),
        check.matches('press', 'low tide'),
        check.matches('nobody', 'high tide'),
        check.matches('press', 'x'.repeat(2_000)),
      ]),
      [true, false, false, false],
    );
    assert.ok(await check.matches('press', 'high tide'));
  });

  it('are made without letters that look alike', () => {
    const made = new Set(Array.from({ length: 50 }, () => makePassword()));
    assert.equal(made.size, 50);
    for (const password of made) assert.match(password, /^([a-hjkmnp-z2-9]{4}-){4}[a-hjkmnp-z2-9]{4}$/);
  });
});
