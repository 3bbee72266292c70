import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import vm from 'node:vm';

import { decodeToken } from '@tidegate/nodes/sync';

import { withBrokerLogin } from '../../../cloud-bridge/src/commands/options.ts';
import { Program, root } from '../../support/process.ts';

const BIN = path.join(root, 'cloud-bridge/bin/tidegate-cloud.js');

const start = (...args: string[]): Program => Program.node('tidegate-cloud', 'test/support/cloud-process.ts', args);

async function ends(...args: string[]): Promise<[code: number | null, output: string]> {
  const program = start(...args);
  return [await program.ended(), program.output()];
}

describe('tidegate-cloud', function () {
  this.timeout(20_000);
  let directory: string;

  beforeEach(() => {
    directory = path.join(mkdtempSync(path.join(os.tmpdir(), 'tidegate-cloud-cli-')), 'cloud');
  });
  afterEach(() => rmSync(path.dirname(directory), { recursive: true, force: true }));

  it('runs, enrols while it runs, lists, and ends cleanly when asked to', async () => {
    const cloud = start('run', '--dir', directory, '--port', '0', '--mqtt-port', '0', '--json');
    const ready = await cloud.json<{ page: string; broker: string; apiTokenFile: string }>();
    assert.equal((await fetch(`${ready.page}/healthz`)).status, 200);
    assert.equal((await fetch(ready.page)).status, 200, 'the page is served');
    assert.match(readFileSync(ready.apiTokenFile, 'utf8'), /^[0-9a-f]{64}\n$/);
    const enrolled = await start('enroll', 'north', '--dir', directory, '--tenant', 'acme', '--json').json<{
      token: string;
    }>();
    const token = decodeToken(enrolled.token);
    assert.deepEqual([token.tenant, token.gateway, token.broker], ['acme', 'north', ready.broker]);
    const elsewhere = start('enroll', 'south', '--dir', directory, '--broker-url', 'mqtts://cloud.example:8883');
    await elsewhere.ended();
    const line = elsewhere
      .output()
      .split('\n')
      .find((text) => text.startsWith('tg1.'));
    assert.equal(decodeToken(line!).broker, 'mqtts://cloud.example:8883');
    const [code, listed] = await ends('gateways', '--dir', directory);
    assert.deepEqual([code, listed.split(/\s+/)[0]], [0, 'gateway']);
    assert.equal(await cloud.stop(), 0);
    assert.equal(existsSync(path.join(directory, 'cloud.db-wal')), false, 'the log is folded into the database');
    assert.equal(statSync(directory).mode & 0o777, 0o700);
  });

  it('goes on with the same keys after a restart', async () => {
    const keys: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const { token } = await start('enroll', 'north', '--dir', directory, '--json').json<{ token: string }>();
      keys.push(decodeToken(token).cloudKeys);
    }
    assert.deepEqual(keys[0], keys[1]);
  });

  for (const [option, other] of [
    ['--port', '--mqtt-port'],
    ['--mqtt-port', '--port'],
  ])
    it(`says which port is in use and that ${option} chooses another`, async () => {
      const first = start('run', '--dir', directory, '--port', '0', '--mqtt-port', '0', '--json');
      const { page, broker } = await first.json<{ page: string; broker: string }>();
      const taken = new URL(option === '--port' ? page : broker).port;
      const [code, output] = await ends('run', '--dir', `${directory}2`, option, taken, other, '0');
      assert.equal(code, 1);
      assert.match(output, new RegExp(`^tidegate-cloud: 127.0.0.1:${taken} is in use .*${option} `));
      await first.stop();
    });

  for (const [args, code, message] of [
    [['--help'], 0, /run .*\n[\s\S]*enroll/],
    [['run', '--help'], 0, /--mqtt-port/],
    [['enroll', '--help'], 0, /--broker-url/],
    [['gateways', '--help'], 0, /--json/],
    [['run', '--port', 'x'], 2, /0\.\.65535/],
    [['run', '--prot', '1'], 2, /--prot/],
    [['frob'], 2, /frob/],
    [['enroll'], 2, /name/],
    [['enroll', 'a b', '--dir', 'DIR'], 2, /gateway name "a b"/],
    [['run', '--host', '0.0.0.0', '--dir', 'DIR'], 2, /--anyone-may-read/],
    [['run', '--broker', 'http://x', '--dir', 'DIR'], 2, /broker: found "http:\/\/x", allowed: embedded/],
    [['gateways', '--dir', 'DIR'], 1, /holds no cloud/],
  ] as const)
    it(`ends with ${code} for ${args.join(' ')}`, async () => {
      const [found, output] = await ends(...args.map((arg) => (arg === 'DIR' ? directory : arg)));
      assert.equal(found, code, output);
      assert.match(output, message);
    });

  it('takes the login of a broker from the environment', () => {
    const env = { TIDEGATE_BROKER_USERNAME: 'me', TIDEGATE_BROKER_PASSWORD: 'p@ss' };
    assert.equal(withBrokerLogin('mqtt://host:1883', env), 'mqtt://me:p%40ss@host:1883');
    assert.equal(withBrokerLogin('embedded', env), 'embedded');
    assert.equal(withBrokerLogin('mqtt://host', {}), 'mqtt://host');
  });

  it('says in one line that it needs a newer Node', () => {
    const script = readFileSync(BIN, 'utf8')
      .replace(/^#!.*/, '')
      .replace(/\bimport\(/g, 'load(');
    const judge = (version: string): { loaded: boolean; said: string; code: number } => {
      const found = { loaded: false, said: '', code: 0 };
      const process = {
        versions: { node: version },
        execPath: '/usr/bin/node',
        stderr: { write: (text: string) => (found.said += text) },
        set exitCode(code: number) {
          found.code = code;
        },
      };
      const load = (): Promise<never> => {
        found.loaded = true;
        return new Promise(() => undefined);
      };
      vm.runInNewContext(script, { process, load });
      return found;
    };
    for (const old of ['18.20.0', '20.20.2', '22.13.1', '23.5.0', '6.17.1'])
      assert.deepEqual(judge(old), {
        loaded: false,
        said: `tidegate-cloud: needs Node.js 22.14 or newer, found ${old} (/usr/bin/node)\n`,
        code: 1,
      });
    for (const fresh of ['22.14.0', '22.21.1', '23.6.0', '24.0.0', '100.1.0'])
      assert.deepEqual(judge(fresh), { loaded: true, said: '', code: 0 });
    // Every Node since version 6 has to be able to read it.
    assert.doesNotMatch(script, /=>|`|\bconst\b|\blet\b|\?\.|\?\?|\basync\b/);
    execFileSync(process.execPath, ['--check', BIN]);
  });
});
