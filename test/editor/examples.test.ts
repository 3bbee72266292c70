import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { eventually } from '../support/eventually.ts';
import { root } from '../support/process.ts';
import { StockNodeRed } from '../support/stock-node-red.ts';

type FlowNode = Record<string, unknown> & { id: string; type: string; name?: string };

/** What to press in an example, and what its debug nodes then say. Those that need a cloud say nothing without one. */
const SHOWS: Record<string, { press: string[]; says: RegExp[] }> = {
  'tide-bridge': { press: ['grant demo/#', 'raise an alert', 'revoke demo/#'], says: [] },
  'tide-cloud': { press: [], says: [] },
  'tide-detect': { press: ['overheat'], says: [/is above the critical limit 95 °C/] },
  'tide-ingest': {
    press: ['a bare number', 'JSON with several values', 'what no sensor should say'],
    says: [/plant\/hall1\/temperature/, /zigbee2mqtt\/office\/occupancy/, /not-a-number/],
  },
  'tide-query': {
    press: ['the last hour', 'each minute'],
    says: [/series: 'plant\/basin\/level'/],
  },
  'tide-state': { press: ['what is in force?'], says: [/nothing is in force yet/] },
  'tide-store': { press: [], says: [/plant\/pump\/power/] },
  'tide-summarize': { press: [], says: [/p90/] },
  'tide-vault': { press: ['a reading'], says: [/position: \d/] },
};

/** Debug nodes also write to the log, where this test reads them; nobody waits a minute for a summary. */
function forTest(node: FlowNode): FlowNode {
  if (node.type === 'debug') return { ...node, active: true, console: true };
  return node.type === 'tide-summarize' ? { ...node, resolutions: '1s' } : node;
}

describe('the examples in a stock Node-RED', function () {
  this.timeout(120_000);
  let red: StockNodeRed;

  before(async () => {
    red = await StockNodeRed.make();
    red.linkNodes();
    await red.start();
  });

  after(() => red?.close());

  const examples = globSync('nodes/examples/*.json', { cwd: root }).toSorted();

  it('are one for each node', () => {
    assert.deepEqual(
      examples.map((file) => path.basename(file, '.json')),
      Object.keys(SHOWS),
    );
  });

  for (const file of examples) {
    const type = path.basename(file, '.json');
    it(`${type} deploys without an error and does what its comment says`, async () => {
      const flow: FlowNode[] = JSON.parse(readFileSync(path.join(root, file), 'utf8'));
      const from = red.output.length;
      const said = (): string => red.output.slice(from);
      await red.deploy(flow.map(forTest));
      await eventually('the flows have started', async () => /Started (modified )?(flows|nodes)/.test(said()));
      for (const name of SHOWS[type].press) {
        const button = flow.find((node) => node.type === 'inject' && node.name === name);
        assert.ok(button !== undefined, `${file} has a button "${name}"`);
        const response = await fetch(`${red.url}/inject/${button.id}`, { method: 'POST' });
        assert.equal(response.status, 200);
      }
      for (const one of SHOWS[type].says) await eventually(String(one), async () => one.test(said()));
      assert.doesNotMatch(said(), /\[error\]/);
    });
  }
});
