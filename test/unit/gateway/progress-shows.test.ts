import assert from 'node:assert/strict';
import { ProgressShow, type Terminal } from '../../../gateway/src/commands/progress.ts';
import { WaitShow } from '../../../gateway/src/commands/waiting.ts';
import { eventually } from '../../support/eventually.ts';

class Screen implements Terminal {
  readonly isTTY: boolean;
  readonly columns = 60;
  readonly written: string[] = [];

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.written.push(text);
  }
}

describe('a bar', () => {
  it('is drawn five times a second, and last with what it came to', () => {
    let now = 0;
    const screen = new Screen(true);
    const show = new ProgressShow('exporting', screen, () => now);
    for (now = 10; now <= 630; now += 10) show.update(now / 630, `${now} readings`);
    assert.equal(screen.written.length, 3);
    show.end();
    show.end();
    assert.deepEqual(screen.written.slice(3), [`\r[${'='.repeat(27)}] 100 % exporting, 630 readings`, '\n']);
  });

  it('is not drawn for what is over at once, and not where there is no terminal', () => {
    for (const isTTY of [true, false]) {
      const screen = new Screen(isTTY);
      const show = new ProgressShow('exporting', screen, () => 100);
      show.update(1, 'all');
      show.end();
      assert.deepEqual(screen.written, []);
    }
  });

  it('reckons the time that is left from what this run did', () => {
    let now = 0;
    const screen = new Screen(false);
    const show = new ProgressShow('exporting', screen, () => now);
    show.update(0.8, 'resumed');
    now = 20_000;
    show.update(0.9, 'half of the rest');
    assert.deepEqual(screen.written, ['exporting: 90 %, half of the rest, 20 s left\n']);
  });
});

describe('a line that waits', () => {
  it('says with each second what is found so far, and goes away', async () => {
    const screen = new Screen(true);
    let found = 0;
    const show = new WaitShow(() => `checking, ${found} found`, screen, 2);
    await eventually('it is drawn', () => screen.written.length > 0, 5_000);
    found = 3;
    await eventually('it is drawn anew', () => screen.written.some((text) => text.includes('3 found')), 5_000);
    show.end();
    const count = screen.written.length;
    assert.equal(screen.written[0], 'checking, 0 found, 0 s');
    assert.equal(screen.written.at(-1), '\r\u001B[K');
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(screen.written.length, count, 'its timer goes on');
  });

  it('is not there where nobody looks', async () => {
    const screen = new Screen(false);
    const show = new WaitShow(() => 'checking', screen, 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    show.end();
    assert.deepEqual(screen.written, []);
  });
});
