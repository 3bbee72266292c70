import assert from 'node:assert/strict';
import path from 'node:path';
import Database from 'better-sqlite3';
import {
  FrameCodec,
  SCHEMA_VERSION,
  ack,
  decodeBody,
  encodeBody,
  hello,
  loadEnrolment,
  nack,
  parseTopic,
  topicOf,
  welcome,
  type Address,
  type Outgoing,
  type Ticket,
} from '@tidegate/nodes/sync';
import { loadTicket } from '../../../nodes/src/sync/ticket-store.ts';
import { putFiles, readFiles, type Files } from '../../fault/campaign/sync/files.ts';
import type { SentFrame } from './cloud-end.ts';
import { RealCloud } from './real-cloud.ts';
import { SetClock, VaultRig, part } from './rig.ts';
import { Simulation } from './simulation.ts';

const MINUTE = 60_000;
const STREAM = 'operations/60';

describe('a vault that is copied without a trace', function () {
  this.timeout(60_000);
  let rig: VaultRig;
  let cloud: RealCloud;
  let clock: SetClock;
  let simulation: Simulation;
  let outgoing: Outgoing;
  let seed = 0;

  beforeEach(async () => {
    clock = new SetClock();
    rig = await VaultRig.open();
    cloud = new RealCloud(clock);
    await cloud.begin();
    await start();
    await outgoing.grant('#');
    await simulation.run(3 * MINUTE);
  });
  afterEach(async () => {
    await cloud.close();
    await rig.close();
  });

  const start = async (): Promise<void> => {
    simulation = new Simulation(rig.vault, ++seed, clock, cloud);
    cloud.down = (frame) => simulation.down(frame);
    await simulation.start(1_000);
    outgoing = await simulation.outgoing();
    simulation.connect();
  };
  const stop = async (): Promise<void> => {
    simulation.crash();
    await rig.vault.close();
  };
  /** As an image of the disk that is written back: the files are the ones that were there. */
  const copy = (): Files => readFiles(path.join(rig.directory, 'vault'));
  const restart = async (image?: Files): Promise<void> => {
    await stop();
    if (image !== undefined) putFiles(path.join(rig.directory, 'vault'), image);
    await rig.reopen();
    await start();
  };
  const seal = (minute: number): Promise<unknown> => outgoing.commitParts([part(rig.vault, 'a', minute, 1)], 60, []);
  const receipts = (): number[] => {
    const db = new Database(cloud.file, { readonly: true });
    const query = 'SELECT number FROM receipts JOIN streams ON streams.id = stream_id WHERE name = ? ORDER BY number';
    const found = db.prepare<[string], number>(query).pluck().all(STREAM);
    db.close();
    return found;
  };
  const refused = (): string =>
    Object.values(cloud.refusals.takeChanged())
      .map(({ reason }) => reason)
      .join();

  it('is fenced, says so, keeps what it has, and goes on as a writer of its own after a restart', async () => {
    const { incarnation } = rig.vault;
    simulation.disconnect();
    await seal(1);
    await stop();
    const image = copy();
    await rig.reopen();
    await start();
    await simulation.run(3 * MINUTE);
    await seal(2);
    await simulation.run(3 * MINUTE);
    assert.deepEqual(receipts(), [1, 2], 'the other one went on');

    await restart(image);
    assert.equal(rig.vault.incarnation, incarnation, 'nothing here tells that it is a copy');
    await simulation.run(2 * MINUTE);
    const { state, reason, blocksWaiting } = simulation.session.status();
    assert.equal(state, 'error');
    assert.match(
      reason ?? '',
      /^another copy of this gateway is running: its ticket \d+ is old.*kept; once this gateway is started anew/,
    );
    assert.equal(blocksWaiting, 2, 'a block of parts and one of names');
    assert.match(refused(), /a HELLO of another copy of this gateway/);

    await restart();
    assert.notEqual(rig.vault.incarnation, incarnation);
    assert.match((await rig.vault.stats()).problems.join(), /another copy of the vault wrote to the cloud/);
    await seal(50);
    await simulation.run(20 * MINUTE);
    assert.equal(simulation.session.status().state, 'up-to-date');
    assert.equal((await rig.vault.stats()).orphanBlocksWaiting, 0);
    assert.deepEqual(receipts(), [1, 1, 2], 'block 1 of each writer, and what the other one sealed');
    const renewed = rig.vault.incarnation;
    await restart();
    assert.equal(rig.vault.incarnation, renewed, 'once is enough');
  });

  it('counts what it sealed under a number that the other one used, too', async () => {
    await stop();
    const image = copy();
    await rig.reopen();
    await start();
    await seal(1);
    await simulation.run(5 * MINUTE);
    await restart(image);
    await seal(7);
    await simulation.run(2 * MINUTE);
    assert.match(simulation.session.status().reason ?? '', /another copy/);
    await restart();
    await simulation.run(20 * MINUTE);
    assert.equal((await rig.vault.stats()).orphanBlocksWaiting, 0);
    assert.ok(Number(await rig.vault.documents.get('outgoing', 'conflicts')) >= 1);
  });

  it('is fenced as well when WELCOME names blocks that it never sealed', async () => {
    await seal(1);
    await simulation.run(3 * MINUTE);
    await stop();
    const image = copy();
    await rig.reopen();
    await start();
    await seal(2);
    await simulation.run(1_500);
    assert.deepEqual(receipts(), [1, 2]);
    const { incarnation } = rig.vault;
    const db = new Database(cloud.file);
    db.exec('DELETE FROM tickets');
    db.close();
    await restart(image);
    await simulation.run(MINUTE);
    assert.match(simulation.session.status().reason ?? '', /older copy: the cloud holds block 2 .*started anew/);
    await restart();
    assert.notEqual(rig.vault.incarnation, incarnation);
  });

  it('does not fence a gateway that dies between WELCOME and storing the ticket, however often', async () => {
    const { incarnation } = rig.vault;
    for (let life = 0; life < 4; life++) {
      await restart();
      cloud.down = () => undefined;
      await simulation.run(20_000);
    }
    await restart();
    await simulation.run(5 * MINUTE);
    assert.equal(simulation.session.status().state, 'up-to-date');
    assert.equal(rig.vault.incarnation, incarnation);
  });

  it('does not fence a gateway when the cloud is one of before its newest tickets', async () => {
    const db = new Database(cloud.file);
    const before = db.prepare<[], Record<string, unknown>>('SELECT * FROM tickets').all();
    await simulation.run(30 * MINUTE);
    db.exec('DELETE FROM tickets');
    const put = db.prepare('INSERT INTO tickets VALUES (@incarnation_id, @number, @nonce, @session, @fate)');
    for (const row of before) put.run(row);
    await simulation.run(5 * MINUTE);
    await restart();
    await simulation.run(5 * MINUTE);
    assert.equal(simulation.session.status().state, 'up-to-date');
    db.exec('DELETE FROM tickets');
    db.close();
    await simulation.run(5 * MINUTE);
    assert.equal(simulation.session.status().state, 'up-to-date');
  });

  describe('and runs beside the other one', () => {
    let sent: (session: number, ticket: Ticket | undefined) => Promise<number>;
    let heard: SentFrame[];
    let open: (frame: SentFrame) => { address: Address; body: Uint8Array };

    beforeEach(async () => {
      const { tenant, gateway, identity, cloudKeys } = (await loadEnrolment(rig.vault))!;
      const codec = new FrameCodec(identity, clock);
      const incarnation = Uint8Array.from(Buffer.from(rig.vault.incarnation, 'hex'));
      let id = 1;
      sent = async (session, ticket) => {
        const body = { schema: SCHEMA_VERSION, software: 'copy', id: ++id, session, streams: {}, state: {} };
        const address: Address = { tenant, gateway, direction: 'up', type: 'hello' };
        const frame = codec.seal(
          address,
          { incarnation, includeKeys: true },
          encodeBody(hello, ticket === undefined ? body : { ...body, ticket }),
          cloudKeys.agree,
        );
        cloud.receive(topicOf(address), frame);
        await simulation.run(100);
        return id;
      };
      heard = [];
      cloud.down = (frame) => {
        heard.push(frame);
        simulation.down(frame);
      };
      open = ({ topic, frame }) => {
        const address = parseTopic(topic)!;
        return { address, body: codec.open(address, frame, () => cloudKeys).body };
      };
    });

    const answerTo = (id: number): { ticket: Ticket | undefined } | { refused: string } | undefined => {
      for (const { address, body } of heard.map((frame) => open(frame))) {
        if (address.type === 'welcome' && decodeBody(welcome, body).answers === id)
          return { ticket: decodeBody(welcome, body).ticket };
        if (address.type === 'nack' && decodeBody(nack, body).answers === id)
          return { refused: decodeBody(nack, body).code };
      }
      return undefined;
    };

    it('fences the one that is later to show its next ticket; the other one asks at once, and goes on', async () => {
      const ticket = await loadTicket(rig.vault);
      const first = answerTo(await sent(77, ticket));
      assert.ok(first !== undefined && 'ticket' in first);
      assert.match(simulation.session.status().refusedReason ?? '', /a welcome for no HELLO of this process/);
      await simulation.run(12_000);
      assert.deepEqual(answerTo(await sent(77, first.ticket)), { refused: 'fenced' });
      await seal(1);
      await simulation.run(2 * MINUTE);
      assert.equal(simulation.session.status().state, 'up-to-date');
      assert.deepEqual(receipts(), [1]);
    });

    it('takes no acknowledgement of the other one’s blocks for its own', async () => {
      await simulation.run(MINUTE);
      simulation.weather = { loss: 1, twice: 0, delay: [5, 5] };
      await seal(1);
      const foreign = encodeBody(ack, { streams: { [STREAM]: [[1, 1]] }, alerts: [] });
      const { tenant, gateway, identity } = (await loadEnrolment(rig.vault))!;
      const address: Address = { tenant, gateway, direction: 'down', type: 'ack' };
      const incarnation = Uint8Array.from(Buffer.from(rig.vault.incarnation, 'hex'));
      const frame = new FrameCodec(cloud.identity, clock).seal(
        address,
        { incarnation },
        foreign,
        identity.agree.publicKey,
      );
      simulation.session.received(topicOf(address), frame);
      await simulation.run(300);
      assert.equal((await rig.vault.stats()).blocksWaiting, 2);
    });
  });
});
