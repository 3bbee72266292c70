import assert from 'node:assert/strict';
import { decodeAlert } from '@tidegate/nodes/detect';
import { readAudit, readGrants } from '@tidegate/nodes/privacy';
import { decodeBlock } from '@tidegate/nodes/summary';
import { systemClock } from '@tidegate/nodes/node';
import { decodeCatalogue, Outgoing, outgoingOf } from '@tidegate/nodes/sync';
import { SeriesRegistry, type Vault } from '@tidegate/nodes/vault';
import { watchedVault } from '../../support/watched-vault.ts';
import { VaultRig, alert, part } from './rig.ts';

const STREAM = 'operations/60';
const everything = (vault: Vault, stream: string) => vault.outbox.peek(stream, 'oldest', [], 1e9);

async function seriesIn(vault: Vault, stream = STREAM): Promise<string[]> {
  const blocks = await everything(vault, stream);
  return blocks.flatMap(({ body }) => decodeBlock(body).map(({ series }) => vault.series.name(series)!));
}

async function namesIn(vault: Vault): Promise<string[]> {
  return (await everything(vault, 'catalogue')).flatMap(({ body }) => decodeCatalogue(body).map(({ name }) => name));
}

async function alertsIn(vault: Vault): Promise<string[]> {
  return (await vault.outbox.alerts(1000, new Set())).map(({ body }) => decodeAlert(body).series);
}

describe('outgoing', () => {
  let rig: VaultRig;
  let vault: Vault;
  let outgoing: Outgoing;

  beforeEach(async () => {
    rig = await VaultRig.open();
    vault = rig.vault;
    outgoing = await outgoingOf(vault);
  });

  afterEach(() => rig.close());

  const commit = (...series: string[]) =>
    outgoing.commitParts(
      series.map((name) => part(vault, name, 1, 20, 21)),
      60,
      [],
    );

  it('is one for each vault', async () => {
    assert.equal(await outgoingOf(vault), outgoing);
  });

  it('queues nothing of a series without a grant, and commits what stands beside it all the same', async () => {
    await outgoing.grant('line1/#');
    const beside = { kind: 'document', namespace: 'test', key: 'beside', value: 1 } as const;
    const parts = [part(vault, 'line1/a', 1, 20), part(vault, 'line2/b', 1, 30)];
    assert.deepEqual(await outgoing.commitParts(parts, 60, [beside]), { sealed: 1, withheld: 1 });
    assert.deepEqual(await seriesIn(vault), ['line1/a']);
    assert.deepEqual(await namesIn(vault), ['line1/a']);
    assert.equal(await vault.documents.get('test', 'beside'), 1);
    await outgoing.commitAlert(alert(1, 'line2/b'), [{ ...beside, value: 2 }]);
    await outgoing.commitAlert(alert(2, 'line1/a'), []);
    assert.deepEqual(await alertsIn(vault), ['line1/a']);
    assert.equal(await vault.documents.get('test', 'beside'), 2);
  });

  it('gives each purpose its own stream and its own grants', async () => {
    await outgoing.grant('line1/#', 'billing');
    const parts = [part(vault, 'line1/a', 1, 20)];
    assert.deepEqual(await outgoing.commitParts(parts, 60, []), { sealed: 0, withheld: 1 });
    assert.deepEqual(await outgoing.commitParts(parts, 60, [], 'billing'), { sealed: 1, withheld: 0 });
    assert.deepEqual(await seriesIn(vault, 'billing/60'), ['line1/a']);
  });

  it('announces a name once, also after a restart, and again when kind or unit change', async () => {
    await outgoing.grant('#');
    await commit('a');
    await commit('a', 'b');
    vault = await rig.reopen();
    outgoing = await outgoingOf(vault);
    await commit('a', 'b');
    assert.deepEqual(await namesIn(vault), ['a', 'b']);
    const reading = { series: 'a', time: 5, value: 1, quality: 'good', clock: 'device', unit: '°C' } as const;
    await vault.journal.append({ source: 'test', readings: [reading] });
    await commit('a');
    assert.deepEqual(await namesIn(vault), ['a', 'b', 'a']);
  });

  it('splits what is large into blocks near 16 kB and loses no part', async () => {
    await outgoing.grant('#');
    const parts = Array.from({ length: 1500 }, (_, i) => part(vault, `s${i}`, 1, i * 1.37, 20.25 + (i % 7)));
    await outgoing.commitParts(parts, 60, []);
    const blocks = await everything(vault, STREAM);
    assert.ok(blocks.length > 2);
    for (const { body } of blocks) assert.ok(body.length <= 16_384, `${body.length} bytes`);
    assert.equal(new Set(await seriesIn(vault)).size, 1500);
    assert.equal((await namesIn(vault)).length, 1500);
  });

  it('rejects and forgets an announcement when nothing was committed', async () => {
    await outgoing.grant('#');
    const conflict = { kind: 'expect-document', namespace: 'test', key: 'x', value: 'something else' } as const;
    await assert.rejects(outgoing.commitParts([part(vault, 'a', 1, 1)], 60, [conflict]), { code: 'conflict' });
    await commit('a');
    assert.deepEqual(await namesIn(vault), ['a']);
  });

  it('tells what people say of a series with the next parts where it could not be told at once', async () => {
    await outgoing.grant('#');
    await commit('a', 'b');
    vault = await rig.reopen();
    let full = true;
    const refused = Promise.withResolvers<void>();
    const failing = watchedVault(vault, (method, parameters, run) => {
      const [changes] = parameters as [readonly { kind: string }[]];
      if (!full || method !== 'commit' || !changes.some(({ kind }) => kind === 'block')) return run();
      refused.resolve();
      return Promise.reject(new Error('the disk is full'));
    });
    const careful = await Outgoing.open(failing);
    await new SeriesRegistry(vault, systemClock).replace('a', 'no. 7');
    await refused.promise;
    await assert.rejects(careful.commitParts([part(vault, 'b', 2, 1)], 60, []), /the disk is full/);
    full = false;
    await careful.commitParts([part(vault, 'b', 2, 1)], 60, []);
    const said = (await everything(vault, 'catalogue')).flatMap(({ body }) => decodeCatalogue(body));
    assert.deepEqual(
      said.map(({ name, sensor }) => [name, sensor]),
      [
        ['a', undefined],
        ['b', undefined],
        ['a', 'no. 7'],
      ],
    );
  });

  describe('revocation', () => {
    it('takes parts, names and alerts out of what waits and keeps the numbers of the blocks', async () => {
      await outgoing.grant('line1/#');
      await outgoing.grant('line2/#');
      await commit('line1/a', 'line2/b');
      await commit('line2/b');
      await commit('line1/a');
      await outgoing.commitAlert(alert(1, 'line1/a'), []);
      await outgoing.commitAlert(alert(2, 'line2/b'), []);
      const { rewritten } = await outgoing.revoke('line2/#');
      assert.equal(rewritten, 3, 'two blocks of parts and one of names');
      assert.deepEqual(await seriesIn(vault), ['line1/a', 'line1/a']);
      assert.deepEqual(await namesIn(vault), ['line1/a']);
      assert.deepEqual(await alertsIn(vault), ['line1/a']);
      assert.deepEqual(
        (await everything(vault, STREAM)).map(({ number }) => number),
        [1, 2, 3],
      );
      await commit('line2/b');
      assert.deepEqual(await seriesIn(vault), ['line1/a', 'line1/a']);
    });

    it('narrows a wider grant, and the later word counts', async () => {
      await outgoing.grant('#');
      await outgoing.revoke('line1/#');
      await commit('line1/a', 'line2/b');
      assert.deepEqual(await seriesIn(vault), ['line2/b']);
      await outgoing.grant('line1/a');
      await commit('line1/a', 'line1/c');
      assert.deepEqual(await seriesIn(vault), ['line2/b', 'line1/a']);
      await outgoing.revoke('#');
      assert.deepEqual((await readGrants(vault)).list, []);
      assert.deepEqual((await readGrants(vault)).refusals, []);
      assert.deepEqual(await seriesIn(vault), []);
    });

    it('holds after a restart', async () => {
      await outgoing.grant('#');
      await outgoing.revoke('line1/#');
      vault = await rig.reopen();
      outgoing = await outgoingOf(vault);
      await commit('line1/a', 'line2/b');
      assert.deepEqual(await seriesIn(vault), ['line2/b']);
    });

    it('catches what was on its way into the outbox when it came', async () => {
      await outgoing.grant('#');
      const commits = Array.from({ length: 20 }, () => commit('line1/a', 'line2/b'));
      const revoked = outgoing.revoke('line1/#');
      const more = Array.from({ length: 20 }, () => commit('line1/a', 'line2/b'));
      await Promise.all([...commits, revoked, ...more]);
      assert.deepEqual(new Set(await seriesIn(vault)), new Set(['line2/b']));
      assert.equal((await seriesIn(vault)).length, 40);
    });

    it('lets a name be announced again when the grant comes back', async () => {
      await outgoing.grant('a');
      await commit('a');
      await outgoing.revoke('a');
      assert.deepEqual(await namesIn(vault), []);
      await outgoing.grant('a');
      await commit('a');
      assert.deepEqual(await namesIn(vault), ['a']);
    });

    it('is in the audit log with what it led to', async () => {
      await outgoing.grant('line1/#');
      await commit('line1/a');
      await outgoing.revoke('line1/#');
      const audit = (await readAudit(vault)).map(({ action, series, outcome }) => [action, series, outcome]);
      assert.deepEqual(audit, [
        ['grant', 'line1/#', 'may leave'],
        ['revoke', 'line1/#', 'may not leave'],
        ['shred', '#', '2 waiting blocks rewritten, 0 waiting alerts dropped'],
      ]);
    });

    it('is finished after a crash in its middle', async () => {
      await outgoing.grant('#');
      await commit('line1/a', 'line2/b');
      // What a crash leaves behind: the refusal and the mark are stored, the blocks are not rewritten yet.
      const since = Date.now() + 1000;
      await vault.commit([
        {
          kind: 'document',
          namespace: 'grants',
          key: 'operations:line1/#',
          value: { series: 'line1/#', purpose: 'operations', since, refused: true },
        },
        { kind: 'document', namespace: 'outgoing', key: 'shredding', value: true },
      ]);
      vault = await rig.reopen();
      outgoing = await outgoingOf(vault);
      await outgoing.resume();
      assert.deepEqual(await seriesIn(vault), ['line2/b']);
      assert.equal(await vault.documents.get('outgoing', 'shredding'), undefined);
    });
  });

  it('follows grants that somebody else wrote into the vault', async () => {
    const grant = { series: '#', purpose: 'operations', since: 1 };
    await vault.commit([{ kind: 'document', namespace: 'grants', key: 'operations:#', value: grant }]);
    await commit('a');
    assert.deepEqual(await seriesIn(vault), ['a']);
  });

  it('refuses patterns and purposes that are none', async () => {
    await assert.rejects(outgoing.grant('a/#/b'), { code: 'bad-pattern' });
    await assert.rejects(outgoing.revoke(''), { code: 'bad-pattern' });
    await assert.rejects(outgoing.grant('a', 'No Purpose'), { code: 'bad-purpose' });
  });

  it('queues an alert once, though tide-detect and tide-bridge both bring it', async () => {
    await outgoing.grant('#');
    const heard: string[] = [];
    outgoing.onAlert(({ id, revision }) => heard.push(`${Number.parseInt(id, 16)}/${revision}`));
    await outgoing.commitAlert(alert(1), []);
    await vault.commit([{ kind: 'alerts-acknowledged', alerts: [{ id: alert(1).id, revision: 1 }] }]);
    await outgoing.commitAlert(alert(1), []);
    await outgoing.commitAlert(alert(1, undefined, 2), []);
    assert.deepEqual(heard, ['1/1', '1/2']);
    assert.equal((await alertsIn(vault)).length, 1);
  });
});
