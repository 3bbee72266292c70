import assert from 'node:assert/strict';
import { checkNode } from '@tidegate/nodes/vault';

describe('a Node that is too old', () => {
  it('is told so before the SQLite binding would end the process', () => {
    assert.throws(() => checkNode('22.13.1', '9'), {
      code: 'node-too-old',
      message: 'the vault needs Node.js 22.14 or newer (Node-API 10), found 22.13.1 (Node-API 9)',
    });
    assert.throws(() => checkNode('8.0.0', undefined), { code: 'node-too-old' });
    checkNode(process.versions.node, process.versions['napi']);
    checkNode('22.14.0', '10');
  });
});
