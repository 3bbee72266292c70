import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Sealer, type RecordKeys } from '../../../nodes/src/vault/keys/sealed.ts';

const plain = new TextEncoder().encode('a reading nobody else may see');

function keys(current: number, known: Record<number, Uint8Array>): RecordKeys {
  return { current, recordKey: (id) => known[id] };
}

describe('Sealer', () => {
  const key = new Uint8Array(randomBytes(32));
  const incarnation = randomBytes(16);
  const sealer = new Sealer(keys(1, { 1: key }), incarnation);
  const name = randomBytes(16);

  it('opens a record in its own place, and two seals of the same are different', () => {
    const sealed = sealer.seal('block', [1, 2, name], plain);
    assert.deepEqual(Buffer.from(sealer.open('block', [1, 2, name], sealed)), Buffer.from(plain));
    assert.notDeepEqual(sealer.seal('block', [1, 2, name], plain), sealed);
    assert.equal(sealed.includes('reading'), false);
  });

  it('opens it nowhere else', () => {
    const sealed = sealer.seal('block', [1, 2], plain);
    const damaged = { code: 'damaged-record' };
    assert.throws(() => sealer.open('alert', [1, 2], sealed), damaged);
    assert.throws(() => sealer.open('block', [2, 1], sealed), damaged);
    assert.throws(() => sealer.open('block', [1], sealed), damaged);
    assert.throws(() => sealer.open('block', [1, Uint8Array.of(2)], sealed), damaged);
    assert.throws(() => new Sealer(keys(1, { 1: key }), randomBytes(16)).open('block', [1, 2], sealed), damaged);
    assert.throws(() => new Sealer(keys(2, { 2: key }), incarnation).open('block', [1, 2], sealed), damaged);
  });

  it('notices a change of any byte, and a cut', () => {
    const sealed = sealer.seal('document', [name], plain);
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed);
      changed[i] ^= 1;
      assert.throws(() => sealer.open('document', [name], changed), { code: 'damaged-record' }, `byte ${i}`);
      assert.throws(
        () => sealer.open('document', [name], sealed.subarray(0, i)),
        { code: 'damaged-record' },
        `cut ${i}`,
      );
    }
  });

  it('still opens what an older data key sealed', () => {
    const sealed = sealer.seal('series', [7], plain);
    const later = new Sealer(keys(2, { 1: key, 2: new Uint8Array(randomBytes(32)) }), incarnation);
    assert.deepEqual(Buffer.from(later.open('series', [7], sealed)), Buffer.from(plain));
    assert.throws(() => sealer.open('series', [7], later.seal('series', [7], plain)), { code: 'damaged-record' });
  });
});
