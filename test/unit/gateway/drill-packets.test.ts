import assert from 'node:assert/strict';
import { generate } from 'mqtt-packet';
import { csvOf, MOST_ROWS, overtakingIn, PacketLog, type LogRow } from '../../../gateway/src/drill/packet-log.ts';

const row = (at: number, event: LogRow['event'], frame: string): LogRow => ({
  at,
  event,
  connection: 1,
  frame,
  bytes: 9,
});

describe('the packet log of a drill', () => {
  it('names what each connection says, however it is cut into pieces', () => {
    let now = 1_000;
    const log = new PacketLog(() => now);
    const bytes = Buffer.concat([
      generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: 'a', keepalive: 0 }),
      generate({
        cmd: 'publish',
        topic: 'tide/v1/t/g/up/alert',
        payload: 'x'.repeat(300),
        qos: 0,
        dup: false,
        retain: false,
      }),
    ]);
    const { sent, arrived } = log.connection();
    for (const byte of bytes) sent(Uint8Array.of(byte));
    now = 1_050;
    arrived(bytes);
    log.connection().sent(generate({ cmd: 'pingreq' }));
    assert.deepEqual(
      log.logged.rows.map(({ at, event, connection, frame }) => [at, event, connection, frame]),
      [
        [1_000, 'sent', 1, 'connect'],
        [1_000, 'sent', 1, 'alert'],
        [1_050, 'arrived', 1, 'connect'],
        [1_050, 'arrived', 1, 'alert'],
        [1_050, 'sent', 2, 'pingreq'],
      ],
    );
    assert.ok(log.logged.rows[1].bytes > 300);
    assert.equal(
      [...csvOf(log.logged.rows.slice(0, 2), 900)].join(''),
      `ms,event,connection,frame,bytes\r\n100,sent,1,connect,${log.logged.rows[0].bytes}\r\n100,sent,1,alert,${log.logged.rows[1].bytes}\r\n`,
    );
  });

  it('holds so many packets and counts those that came after', () => {
    const log = new PacketLog(() => 0);
    const { sent } = log.connection();
    const pings = Buffer.concat(Array.from({ length: 1_000 }, () => generate({ cmd: 'pingreq' })));
    for (let count = 0; count < MOST_ROWS; count += 1_000) sent(pings);
    assert.deepEqual([log.logged.rows.length, log.logged.unlogged], [MOST_ROWS, 0]);
    sent(pings);
    assert.deepEqual([log.logged.rows.length, log.logged.unlogged], [MOST_ROWS, 1_000]);
  });

  it('says how many frames of the backlog went between an alert and its own frame', () => {
    const rows = [
      row(0, 'sent', 'fill'),
      row(1, 'raised', 'alert'),
      row(2, 'sent', 'alert'),
      row(3, 'raised', 'alert'),
      row(4, 'sent', 'fill'),
      row(5, 'raised', 'alert'),
      row(6, 'arrived', 'fill'),
      row(7, 'sent', 'fill'),
      row(8, 'sent', 'alert'),
      row(9, 'sent', 'live'),
      row(10, 'sent', 'fill'),
    ];
    assert.deepEqual(overtakingIn(rows), { alerts: 3, before: { p50: 1, max: 2 }, after: 1 });
    assert.equal(overtakingIn([row(0, 'sent', 'fill')]), undefined);
  });
});
