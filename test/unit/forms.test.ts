import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';

/**
 * The editor forms of all nodes, read as the editor reads them: what they register, and whether every text that they ask
 * for is there.
 */
const root = path.resolve(import.meta.dirname, '../..');

interface Property {
  value?: unknown;
  validate?: (value: unknown, options: object) => unknown;
}

interface Definition {
  category: string;
  defaults: Record<string, Property>;
  credentials?: Record<string, Property>;
  paletteLabel: string;
}

interface Form {
  type: string;
  html: string;
  /** The names of the texts beside the form. */
  texts: Set<string>;
  definition: Definition;
}

function leaves(texts: object, prefix: string): string[] {
  return Object.entries(texts).flatMap(([key, text]: [string, unknown]) =>
    typeof text === 'object' && text !== null ? leaves(text, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}

const forms: Form[] = globSync('nodes/src/*/tide-*.html', { cwd: root })
  .toSorted()
  .map((file) => {
    const html = readFileSync(path.join(root, file), 'utf8');
    const type = path.basename(file, '.html');
    const texts: object = JSON.parse(
      readFileSync(path.join(root, path.dirname(file), 'locales/en-US', `${type}.json`), 'utf8'),
    );
    const registered = new Map<string, Definition>();
    const RED = {
      nodes: { registerType: (name: string, definition: Definition) => registered.set(name, definition) },
      _: (key: string) => key,
    };
    const scripts = [...html.matchAll(/<script type="text\/javascript">(.*?)<\/script>/gs)];
    for (const [, script] of scripts) vm.runInNewContext(script, { RED, URL });
    const definition = registered.get(type);
    assert.ok(definition !== undefined, `${file} registers no ${type}`);
    return { type, html, texts: new Set(leaves(texts, '')), definition };
  });

const flows = [...globSync('flows/*.json', { cwd: root }), ...globSync('nodes/examples/*.json', { cwd: root })];

describe('the editor forms', () => {
  it('are those of the nine nodes', () => {
    assert.equal(forms.length, 9);
  });

  for (const { type, html, texts, definition } of forms) {
    describe(type, () => {
      it('declares two parameters in each validator', () => {
        // With one, Node-RED takes the returned reason for "true", and a wrong value passes as valid.
        const properties = Object.entries({ ...definition.defaults, ...definition.credentials });
        const wrong = properties.filter(([, { validate }]) => validate !== undefined && validate.length !== 2);
        assert.deepEqual(
          wrong.map(([name]) => name),
          [],
        );
      });

      it('has a text for each key that it names', () => {
        const named = [
          ...[...html.matchAll(/data-i18n="(?:\[\w+\])?([\w.-]+)"/g)].map(([, key]) => key),
          // Keys that are put together while the form runs end with a dot, and are checked by their beginning.
          ...[...html.matchAll(/_\(\s*(?:index === 0 \? )?'(?:@tidegate\/nodes\/[\w-]+:)?(tide-[\w.-]+)'/g)].map(
            ([, key]) => key,
          ),
        ];
        assert.ok(named.length > 3);
        const missing = named.filter((key) =>
          key.endsWith('.') ? ![...texts].some((text) => text.startsWith(key)) : !texts.has(key),
        );
        assert.deepEqual(missing, []);
      });

      it('is written without a dash in the palette, where a label is broken at one', () => {
        assert.equal(definition.paletteLabel, type.replace('-', ' '));
      });

      it('finds every field filled in in the flows that we ship', () => {
        for (const file of flows) {
          const flow: { type: string; id: string }[] = JSON.parse(readFileSync(path.join(root, file), 'utf8'));
          for (const node of flow.filter((one) => one.type === type)) {
            const missing = Object.keys(definition.defaults).filter((name) => !(name in node));
            assert.deepEqual(missing, [], `${file}, node ${node.id}`);
          }
        }
      });
    });
  }

  it('say why a value is refused', () => {
    const refused: [type: string, property: string, value: unknown][] = [
      ['tide-bridge', 'interval', '0'],
      ['tide-cloud', 'broker', 'http://cloud.example'],
      ['tide-detect', 'saveMinutes', 'often'],
      ['tide-ingest', 'topics', []],
      ['tide-ingest', 'vault', ''],
      ['tide-query', 'series', 'line1/**, line2/a**'],
      ['tide-query', 'from', 'yesterday'],
      ['tide-query', 'resolution', 'often'],
      ['tide-query', 'limit', 200000],
      ['tide-query', 'size', 1],
      ['tide-state', 'keys', 'pump#'],
      ['tide-store', 'series', 'line1/#'],
      ['tide-summarize', 'resolutions', '1y'],
      ['tide-summarize', 'rules', [{ series: 'line1/#', resolutions: '1y' }]],
      ['tide-summarize', 'rules', [{ series: 'line1/#', width: -1 }]],
    ];
    for (const [type, property, value] of refused) {
      const { definition } = forms.find((form) => form.type === type)!;
      const node = { source: 'broker', _: (key: string) => key };
      const answer = definition.defaults[property].validate?.call(node, value, {});
      assert.equal(
        typeof answer,
        'string',
        `${type}.${property} answers ${String(answer)} to ${JSON.stringify(value)}`,
      );
    }
  });
});
