import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { LoneGateway } from '../support/gateway.ts';

const commandLine = (pid: number): string[] => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
const environment = (pid: number): string[] => readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');

describe('tidegate run, on Linux', function () {
  this.timeout(60_000);
  let gateway: LoneGateway;

  beforeEach(async () => (gateway = await LoneGateway.make('--no-grants')));
  afterEach(async () => {
    delete process.env['NODE_OPTIONS'];
    await gateway.close();
  });

  it('starts itself anew with a small young generation, as the same process and without a word', async () => {
    const { pid } = await gateway.start();
    assert.equal(pid, gateway.program!.pid);
    assert.ok(commandLine(pid).includes('--max-semi-space-size=16'), commandLine(pid).join(' '));
    assert.ok(environment(pid).includes('MALLOC_ARENA_MAX=1'));
    assert.equal(await gateway.program!.stop(), 0, 'a signal to the process that was started ends it in good order');
    assert.doesNotMatch(gateway.program!.output(), /[Ww]arning/);
  });

  it('leaves a size alone that was chosen', async () => {
    process.env['NODE_OPTIONS'] = '--max-semi-space-size=32';
    const { pid } = await gateway.start();
    assert.ok(!commandLine(pid).some((word) => word.includes('semi-space')));
  });
});
