import assert from 'node:assert/strict';
import { GroupCommit, MAX_WAITING_BYTES } from '../../../nodes/src/vault/group-commit.ts';

/** A disk that writes when the test says so, and a clock that the test moves. */
class Bench {
  readonly groups: string[][] = [];
  private finish: ((error?: Error) => void)[] = [];
  private timers: { at: number; callback: () => void }[] = [];
  private now = 0;
  readonly commits: GroupCommit<string, string>;

  constructor(delayMs: number) {
    this.commits = new GroupCommit<string, string>({
      delayMs,
      clock: { now: () => this.now, monotonic: () => this.now },
      after: (ms, callback) => {
        const timer = { at: this.now + ms, callback };
        this.timers.push(timer);
        return () => {
          this.timers = this.timers.filter((one) => one !== timer);
        };
      },
      write: (items) => {
        this.groups.push([...items]);
        return new Promise((resolve, reject) => {
          this.finish.push((error) => (error === undefined ? resolve(items.map((item) => `${item}!`)) : reject(error)));
        });
      },
    });
  }

  add(item: string, bytes = 10, urgent = false): Promise<string> {
    return this.commits.submit(item, bytes, urgent);
  }

  /** Lets what waits for its turn run. */
  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  async written(error?: Error): Promise<void> {
    this.finish.shift()?.(error);
    await this.turn();
  }

  async pass(ms: number): Promise<void> {
    this.now += ms;
    for (const timer of this.timers.filter(({ at }) => at <= this.now)) {
      this.timers = this.timers.filter((one) => one !== timer);
      timer.callback();
    }
    await this.turn();
  }
}

describe('GroupCommit', () => {
  it('writes together what is handed in together, and what came during a write with the next', async () => {
    const bench = new Bench(0);
    const first = [bench.add('a'), bench.add('b')];
    await bench.turn();
    const second = [bench.add('c'), bench.add('d')];
    await bench.turn();
    assert.deepEqual(bench.groups, [['a', 'b']]);
    await bench.written();
    assert.deepEqual(await Promise.all(first), ['a!', 'b!']);
    assert.deepEqual(bench.groups, [
      ['a', 'b'],
      ['c', 'd'],
    ]);
    await bench.written();
    assert.deepEqual(await Promise.all(second), ['c!', 'd!']);
  });

  it('waits for company when it is quiet, from the first item on', async () => {
    const bench = new Bench(100);
    void bench.add('a');
    await bench.pass(60);
    void bench.add('b');
    await bench.pass(39);
    assert.deepEqual(bench.groups, []);
    await bench.pass(1);
    assert.deepEqual(bench.groups, [['a', 'b']]);
    void bench.add('c');
    await bench.written();
    await bench.pass(99);
    assert.equal(bench.groups.length, 1);
    await bench.pass(1);
    assert.deepEqual(bench.groups[1], ['c']);
  });

  it('does not wait with an urgent item, nor with a full group', async () => {
    const bench = new Bench(100);
    void bench.add('a');
    void bench.add('alert', 10, true);
    await bench.turn();
    assert.deepEqual(bench.groups, [['a', 'alert']]);
    await bench.written();
    void bench.add('large', 1 << 20);
    await bench.turn();
    assert.deepEqual(bench.groups[1], ['large']);
    await bench.written();
    void bench.add('quiet again');
    await bench.turn();
    assert.equal(bench.groups.length, 2);
  });

  it('fails a group whose write failed, and goes on', async () => {
    const bench = new Bench(0);
    const failing = Promise.allSettled([bench.add('a'), bench.add('b')]);
    await bench.turn();
    const next = bench.add('c');
    await bench.written(new Error('no space'));
    assert.deepEqual(
      (await failing).map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    await bench.written();
    assert.equal(await next, 'c!');
  });

  it('splits what is too much for one transaction, in order', async () => {
    const bench = new Bench(0);
    for (const item of ['a', 'b', 'c']) void bench.add(item, 4 << 20);
    await bench.turn();
    await bench.written();
    await bench.written();
    assert.deepEqual(bench.groups, [['a', 'b'], ['c']]);
  });

  it('refuses more than a disk that does not keep up can be owed', async () => {
    const bench = new Bench(0);
    void bench.add('under way');
    await bench.turn();
    void bench.add('waiting', MAX_WAITING_BYTES);
    await assert.rejects(bench.add('one more'), { code: 'overloaded' });
    await bench.written();
    void bench.add('again');
  });

  it('writes what it has taken before it closes, at once', async () => {
    const bench = new Bench(10_000);
    const last = bench.add('last');
    const closed = bench.commits.close();
    await assert.rejects(bench.add('late'), { code: 'closed' });
    await bench.turn();
    assert.deepEqual(bench.groups, [['last']]);
    await bench.written();
    await closed;
    assert.equal(await last, 'last!');
    await bench.commits.close();
  });
});
