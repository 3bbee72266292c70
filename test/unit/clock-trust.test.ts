import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { ClockTrust, askTimeService, bootClock, bootId, type SystemTime } from '@tidegate/nodes/node';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const BUILT = Date.UTC(2026, 10, 1);
const NEWEST = BUILT + 30 * DAY;
const ABSENT: SystemTime = { state: 'absent' };
const UNSYNCHRONISED: SystemTime = { state: 'unsynchronised' };
const synchronised = (stamp: string): SystemTime => ({ state: 'synchronised', stamp });

const trust = (newestTrusted: number | undefined = NEWEST): ClockTrust =>
  new ClockTrust({ newestTrusted, built: BUILT });

describe('trust in the clock', () => {
  it('needs the time service where there is one, however plausible the time is', () => {
    const clock = trust();
    assert.equal(clock.look(NEWEST + HOUR, 10_000).trusted, false, 'nobody was asked yet');
    assert.equal(clock.look(NEWEST + HOUR, 10_000, UNSYNCHRONISED).trusted, false);
    const { trusted, offsetMs } = clock.look(NEWEST + HOUR + 1_000, 11_000, synchronised('1'));
    assert.deepEqual([trusted, offsetMs], [true, NEWEST + HOUR - 10_000]);
  });

  it('without one takes what follows on the last trusted time, at most a year later', () => {
    assert.equal(trust().look(NEWEST + HOUR, 1, ABSENT).trusted, true);
    assert.equal(trust().look(NEWEST - HOUR, 1, ABSENT).trusted, false);
    assert.equal(trust().look(NEWEST + 400 * DAY, 1, ABSENT).trusted, false);
    assert.equal(trust(undefined).look(BUILT - DAY, 1, ABSENT).trusted, false);
    assert.equal(
      new ClockTrust({ newestTrusted: undefined, built: BUILT }).look(BUILT + 900 * DAY, 1, ABSENT).trusted,
      true,
    );
  });

  it('stays over years of running', () => {
    const clock = trust();
    for (let day = 0; day < 800; day++)
      assert.equal(clock.look(NEWEST + day * DAY, 1 + day * DAY, ABSENT).trusted, true);
  });

  it('follows a clock that is slewed, and ends when it is set', () => {
    const clock = trust();
    clock.look(NEWEST, 0, synchronised('1'));
    for (let i = 1; i < 100; i++) assert.equal(clock.look(NEWEST + i * 1_010, i * 1_000).trusted, true);
    assert.equal(clock.look(NEWEST + 99 * 1_010 + 60_000, 99_000).trusted, false);
    assert.match(clock.state().reason, /forward by 60 s/);
  });

  it('ends when it goes back, and is not won back by the synchronisation of before', () => {
    const clock = trust();
    clock.look(NEWEST, 0, synchronised('1'));
    assert.match(clock.look(NEWEST - HOUR, 1_000).reason, /back by 3601 s/);
    assert.equal(clock.look(NEWEST - HOUR, 1_000, synchronised('1')).trusted, false);
    assert.equal(clock.look(NEWEST - HOUR, 1_000, synchronised('2')).trusted, true);
  });

  it('comes back when the step is taken back', () => {
    const clock = trust();
    clock.look(NEWEST, 0, ABSENT);
    assert.equal(clock.look(NEWEST + 3_650 * DAY, 1_000, ABSENT).trusted, false);
    const { trusted, offsetMs } = clock.look(NEWEST + 2_000, 2_000, ABSENT);
    assert.deepEqual([trusted, offsetMs], [true, NEWEST]);
  });

  it('lets a clock that was never right be set right', () => {
    const clock = trust();
    assert.equal(clock.look(0, 0, ABSENT).trusted, false);
    assert.equal(clock.look(NEWEST + HOUR, 1_000, ABSENT).trusted, true);
  });

  it('takes the cloud’s time, and the machine’s own where the two agree', () => {
    const clock = trust();
    clock.look(0, 0, UNSYNCHRONISED);
    assert.equal(clock.cloud(NEWEST + HOUR, 0, 0).offsetMs, NEWEST + HOUR);
    assert.equal(clock.look(NEWEST + HOUR + 5_000, 1_000).offsetMs, NEWEST + HOUR + 4_000);
  });

  it('is not led back by an old answer of the cloud that is played again', () => {
    const clock = trust();
    clock.look(0, 0, UNSYNCHRONISED);
    assert.equal(clock.cloud(BUILT - DAY, 0, 0).trusted, false);
    assert.equal(clock.cloud(NEWEST - DAY, 0, 0).trusted, false);
    clock.cloud(NEWEST + 2 * DAY, 0, 0);
    assert.equal(clock.cloud(NEWEST + DAY, 0, 0).offsetMs, NEWEST + 2 * DAY);
  });

  it('takes an operator’s word until the clock is set again', () => {
    const clock = trust();
    clock.look(NEWEST + 500 * DAY, 0, ABSENT);
    assert.equal(clock.operator(NEWEST + 500 * DAY, 0).trusted, true);
    assert.equal(clock.look(NEWEST + 500 * DAY + 5_000, 5_000, ABSENT).trusted, true);
    assert.equal(clock.look(NEWEST, 6_000, ABSENT).trusted, false);
  });
});

const line = (offset: string, leap: string): string =>
  `A29FC87B,162.159.200.123,4,1795262400.5,${offset},0.000012,0.00003,-12.5,0.001,0.02,0.01,0.0005,64.2,${leap}`;

describe('what the machine says of its clock', () => {
  let root: string;
  const places = () => ({
    timesyncd: path.join(root, 'timesync'),
    chrony: path.join(root, 'chrony'),
    chronyc: path.join(root, 'chronyc'),
  });
  const chronyc = (line: string): void => {
    mkdirSync(path.join(root, 'chrony'), { recursive: true });
    writeFileSync(path.join(root, 'chronyc'), `#!/bin/sh\necho '${line}'\n`, { mode: 0o755 });
  };
  beforeEach(() => {
    root = mkdtempSync(path.join(os.tmpdir(), 'tidegate-clock-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('is nothing without a time service', async () => {
    assert.deepEqual(await askTimeService(places()), { state: 'absent' });
  });

  it('is what systemd-timesyncd touches', async () => {
    mkdirSync(path.join(root, 'timesync'));
    assert.deepEqual(await askTimeService(places()), { state: 'unsynchronised' });
    const file = path.join(root, 'timesync/synchronized');
    writeFileSync(file, '');
    const first = await askTimeService(places());
    utimesSync(file, 1_800_000_000, 1_800_000_000);
    const second = await askTimeService(places());
    assert.deepEqual([first.state, second.state], ['synchronised', 'synchronised']);
    assert.notEqual(first.stamp, second.stamp);
  });

  it('is what chronyc answers', async () => {
    chronyc(line('0.000004', 'Normal'));
    assert.deepEqual(await askTimeService(places()), { state: 'synchronised', stamp: '1795262400.5' });
    chronyc(line('0.000000', 'Not synchronised'));
    assert.equal((await askTimeService(places())).state, 'unsynchronised');
    chronyc(line('-3600.2', 'Normal'));
    assert.equal((await askTimeService(places())).state, 'unsynchronised', 'it knows that the clock is wrong');
    chronyc('506 Cannot talk to daemon');
    assert.equal((await askTimeService(places())).state, 'unsynchronised');
    rmSync(path.join(root, 'chronyc'));
    assert.equal((await askTimeService(places())).state, 'unsynchronised');
  });

  it('names the boot, by the kernel or for this process', () => {
    const file = path.join(root, 'boot_id');
    writeFileSync(file, 'f3a1c6f2-90c8-4c4e-9d36-0d6f5a1b2c3d\n');
    assert.equal(bootId(file), 'f3a1c6f2-90c8-4c4e-9d36-0d6f5a1b2c3d');
    const own = bootId(path.join(root, 'none'));
    assert.equal(bootId(path.join(root, 'none')), own);
    assert.match(own, /^[0-9a-f-]{36}$/);
    const before = bootClock.monotonic();
    assert.ok(bootClock.monotonic() >= before && before > 0);
  });
});
