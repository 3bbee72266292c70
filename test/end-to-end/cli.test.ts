import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { CLI, LoneGateway, temporaryDirectory, tidegate } from '../support/gateway.ts';
import { RawClient } from '../support/mqtt-client.ts';
import { Program } from '../support/process.ts';

describe('tidegate', function () {
  this.timeout(60_000);
  let home: { path: string; remove: () => void };

  before(() => {
    home = temporaryDirectory('cli');
  });

  after(() => home.remove());

  it('says in one line that a Node is too old', async () => {
    const older =
      "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})";
    const program = new Program('old node', process.execPath, ['--import', older, CLI, 'run', home.path]);
    assert.equal(await program.ended(), 1);
    assert.match(program.output(), /^tidegate: needs Node\.js 22\.14 or newer, found 20\.20\.2 \(.*\)$/);
  });

  it('has help for every command, and exit code 2 for a wrong command line', async () => {
    const { code, output } = await tidegate('--help');
    assert.equal(code, 0);
    for (const command of [
      'init',
      'run',
      'demo',
      'status',
      'grant',
      'query',
      'vault',
      'replay',
      'detect',
      'hash-password',
    ]) {
      assert.ok(output.includes(`\n  ${command} `), command);
      assert.equal((await tidegate(command, '--help')).code, 0, command);
    }
    for (const wrong of [['nonsense'], ['run'], ['replay', 'x.csv'], ['demo', '--mqtt-port', '70000']]) {
      const result = await tidegate(...wrong);
      assert.equal(result.code, 2, `${wrong.join(' ')}:\n${result.output}`);
    }
    assert.match(
      (await tidegate('demo', '--mqtt-port', '70000')).output,
      /--mqtt-port: found "70000", allowed: 0\.\.65535/,
    );
  });

  it('hashes a password from standard input', async () => {
    const program = new Program('hash', 'sh', [
      '-c',
      `echo 'spring tide' | "${process.execPath}" "${CLI}" hash-password`,
    ]);
    assert.equal(await program.ended(), 0);
    assert.match(program.output(), /^scrypt\$15\$8\$1\$[\w-]{22}\$[\w-]{43}$/);
  });

  describe('init', () => {
    it('makes a gateway whose key is its owner’s alone, and prints a password once', async () => {
      const directory = path.join(home.path, 'made');
      const { code, output } = await tidegate(
        'init',
        directory,
        '--name',
        'made',
        '--grant',
        'site/a/#',
        '--grant',
        'b',
      );
      assert.equal(code, 0, output);
      assert.match(output, /password (\w{4}-){4}\w{4}/);
      assert.equal(statSync(path.join(directory, 'keys/vault.key')).mode & 0o777, 0o600);
      const password = /password ([\w-]+)/.exec(output)![1];
      assert.ok(!readFileSync(path.join(directory, 'gateway.yaml'), 'utf8').includes(password));
      const listed = await tidegate('grant', 'list', directory, '--json');
      const { grants } = JSON.parse(listed.output) as { grants: { series: string }[] };
      assert.deepEqual(grants.map(({ series }) => series).toSorted(), ['b', 'site/a/#']);
    });

    it('never overwrites a gateway, and refuses a directory with something else in it', async () => {
      const made = path.join(home.path, 'made');
      const before = readFileSync(path.join(made, 'gateway.yaml'), 'utf8');
      const again = await tidegate('init', made, '--yes');
      assert.equal(again.code, 1);
      assert.match(again.output, /is a gateway already/);
      assert.equal(readFileSync(path.join(made, 'gateway.yaml'), 'utf8'), before);
      const other = path.join(home.path, 'other');
      mkdirSync(other);
      writeFileSync(path.join(other, 'letter.txt'), 'dear');
      const refused = await tidegate('init', other, '--yes');
      assert.equal(refused.code, 1);
      assert.match(refused.output, /is not empty \(found letter\.txt\)/);
    });

    it('wants to know what may leave the site, and refuses what is no pattern or token before it makes anything', async () => {
      const directory = path.join(home.path, 'unmade');
      for (const [options, says] of [
        [[], /say what may leave the site/],
        [['--grant', 'a/#/b'], /has # before its end/],
        [['--yes', '--enrol', 'tg1.abc'], /enrolment token/],
      ] as const) {
        const { code, output } = await tidegate('init', directory, ...options);
        assert.notEqual(code, 0);
        assert.match(output, says);
        assert.throws(() => statSync(directory), /ENOENT/);
      }
    });
  });

  describe('run', () => {
    it('lists every problem of a configuration and ends with 2', async () => {
      const gateway = await LoneGateway.make();
      try {
        gateway.configure((config) => {
          config['mqtt'] = { prot: 1, port: 'abc' };
        });
        const { code, output } = await tidegate('run', gateway.directory);
        assert.equal(code, 2);
        assert.match(output, /tidegate: gateway\.yaml: mqtt\.port: found "abc", allowed: 0\.\.65535/);
        assert.match(output, /tidegate: gateway\.yaml: mqtt\.prot: is not known; did you mean mqtt\.port\?/);
      } finally {
        await gateway.close();
      }
    });

    it('says which port is taken and what changes it', async () => {
      const gateway = await LoneGateway.make();
      const server = net.createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as net.AddressInfo;
      try {
        for (const key of ['mqtt', 'editor']) {
          gateway.configure((config) => {
            config['mqtt'] = { ...config['mqtt'], port: key === 'mqtt' ? port : 0 };
            config['editor'] = { ...config['editor'], port: key === 'editor' ? port : 0 };
          });
          const { code, output } = await tidegate('run', gateway.directory);
          assert.equal(code, 1, output);
          assert.ok(
            output.includes(`127.0.0.1:${port} is in use by another program; change it with gateway.yaml: ${key}.port`),
            output,
          );
        }
      } finally {
        server.close();
        await gateway.close();
      }
    });

    it('refuses a wrong key and leaves the vault as it is', async () => {
      const gateway = await LoneGateway.make();
      try {
        const key = path.join(gateway.directory, 'keys/vault.key');
        const right = readFileSync(key, 'utf8');
        writeFileSync(key, `${'0f'.repeat(32)}\n`);
        const refused = await tidegate('run', gateway.directory);
        assert.equal(refused.code, 1);
        assert.match(refused.output, /key/);
        writeFileSync(key, right);
        assert.equal((await tidegate('status', gateway.directory)).code, 0);
      } finally {
        await gateway.close();
      }
    });
  });

  describe('with a gateway that runs', () => {
    let gateway: LoneGateway;

    before(async () => {
      gateway = await LoneGateway.make('--grant', 'site/#');
      await gateway.start();
    });

    after(() => gateway.close());

    it('shows its status, in words and as JSON', async () => {
      const { client } = await RawClient.connect(gateway.brokerPort, 'kettle');
      client.publish('site/kettle/temperature', '21.5');
      client.publish('site/kettle/temperature', 'lukewarm?');
      await client.until(() => client.acknowledged.size === 2);
      const json = await tidegate('status', gateway.directory, '--json');
      const status = JSON.parse(json.output) as {
        running: boolean;
        process: { rejected: number; clients: number };
        vault: { readings: number };
        grants: unknown[];
      };
      assert.equal(status.running, true);
      assert.equal(status.vault.readings, 1);
      assert.equal(status.process.rejected, 1);
      assert.ok(status.process.clients >= 1);
      assert.equal(status.grants.length, 1);
      const words = await tidegate('status', gateway.directory);
      assert.match(words.output, /lone, running/);
      assert.match(words.output, /1 readings/);
      await client.close();
    });

    it('changes its grants', async () => {
      assert.equal((await tidegate('grant', 'add', gateway.directory, 'line/+/x')).code, 0);
      const listed = await tidegate('grant', 'list', gateway.directory);
      assert.match(listed.output, /line\/\+\/x {2}for operations/);
      assert.equal((await tidegate('grant', 'revoke', gateway.directory, 'line/+/x')).code, 0);
      assert.ok(!(await tidegate('grant', 'list', gateway.directory)).output.includes('line'));
      const wrong = await tidegate('grant', 'add', gateway.directory, 'a#');
      assert.equal(wrong.code, 1);
      assert.match(wrong.output, /wildcard/);
    });

    it('is not started a second time on the same directory', async () => {
      const { code, output } = await tidegate('run', gateway.directory);
      assert.equal(code, 1, output);
      assert.match(output, new RegExp(`${gateway.directory}.*`));
    });

    it('lets nobody into the editor without the password', async () => {
      assert.equal((await fetch(`${gateway.ready!.editor}/flows`)).status, 401);
      await assert.rejects(gateway.login('not the password'), /403/);
      assert.ok((await gateway.login()).length > 10);
    });

    it('takes recorded readings from replay, every one acknowledged and stored', async () => {
      const folder = path.join(home.path, 'recorded/plant');
      mkdirSync(folder, { recursive: true });
      const rows = Array.from(
        { length: 500 },
        (_, i) => `2025-03-03 00:${String(Math.floor(i / 60)).padStart(2, '0')}:${String(i % 60).padStart(2, '0')}`,
      );
      writeFileSync(
        path.join(folder, 'one.csv'),
        ['timestamp,value', ...rows.map((time, i) => `${time},${i / 10}`)].join('\n'),
      );
      writeFileSync(
        path.join(folder, 'two.csv'),
        ['timestamp,a,b', ...rows.map((time, i) => `${time},${i},${i === 7 ? 'nan' : -i}`)].join('\n'),
      );
      const before = JSON.parse((await tidegate('status', gateway.directory, '--json')).output) as {
        vault: { readings: number };
      };
      const { code, output } = await tidegate(
        'replay',
        path.dirname(folder),
        '--broker',
        gateway.ready!.gatewayBroker,
        '--speed',
        '0',
        '--json',
      );
      assert.equal(code, 0, output);
      const result = JSON.parse(output) as Record<string, number>;
      assert.deepEqual(
        {
          files: result['files'],
          published: result['published'],
          acknowledged: result['acknowledged'],
          unreadable: result['unreadable'],
        },
        { files: 2, published: 1_499, acknowledged: 1_499, unreadable: 1 },
      );
      const after = JSON.parse((await tidegate('status', gateway.directory, '--json')).output) as {
        vault: { readings: number };
      };
      assert.equal(after.vault.readings - before.vault.readings, 1_499);
    });

    it('ends in good order on SIGTERM, and its status can be asked afterwards', async () => {
      assert.equal(await gateway.program!.stop(), 0);
      const { code, output } = await tidegate('status', gateway.directory);
      assert.equal(code, 0, output);
      assert.match(output, /lone, not running/);
    });
  });

  describe('replay', () => {
    it('ends with 1 when no broker answers, with 2 when the topic cannot be one', async () => {
      const file = path.join(home.path, 'r.csv');
      writeFileSync(file, 'timestamp,a,b\n2025-03-03 00:00:00,1,2\n');
      const nobody = await tidegate('replay', file, '--broker', 'mqtt://127.0.0.1:1');
      assert.equal(nobody.code, 1);
      assert.match(nobody.output, /no MQTT broker answers at mqtt:\/\/127\.0\.0\.1:1: connection refused/);
      const several = await tidegate('replay', file, '--broker', 'mqtt://127.0.0.1:1', '--topic', 'site/{file}');
      assert.equal(several.code, 2);
      assert.match(several.output, /put \{metric\} into the template/);
    });
  });

  describe('detect', () => {
    it('writes a score for every row and marks the row that opens an alert', async () => {
      const folder = path.join(home.path, 'detect/in/line');
      mkdirSync(folder, { recursive: true });
      const rows = Array.from({ length: 1_000 }, (_, i) => {
        const time = new Date(Date.UTC(2025, 2, 3) + i * 60_000).toISOString().slice(0, 19).replace('T', ' ');
        const value = i === 5 ? '' : i >= 700 && i < 720 ? 90 : (20 + Math.sin(i * 12.9898) * 0.5).toFixed(3);
        return `${time},${value}`;
      });
      writeFileSync(path.join(folder, 'pump.csv'), ['timestamp,value', ...rows].join('\n'));
      const out = path.join(home.path, 'detect/out');
      const { code, output } = await tidegate('detect', path.join(home.path, 'detect/in'), '--out', out, '--json');
      assert.equal(code, 0, output);
      const [head, ...lines] = readFileSync(path.join(out, 'line/pump.csv'), 'utf8').trimEnd().split('\n');
      assert.equal(head, 'timestamp,value,anomaly_score,alert');
      assert.deepEqual(
        lines.map((line) => line.split(',').slice(0, 2).join(',')),
        rows,
      );
      const scores = lines.map((line) => Number(line.split(',')[2]));
      assert.ok(scores.every((score) => score >= 0 && score <= 1));
      const alerts = lines.flatMap((line, i) => (line.endsWith(',1') ? [i] : []));
      assert.ok(
        alerts.some((row) => row >= 700 && row < 720),
        `alerts at ${alerts.join(', ')}`,
      );
    });
  });
});
