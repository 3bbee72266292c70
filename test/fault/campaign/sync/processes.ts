import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SummariesAnswer } from '../../../../cloud-bridge/src/api/contract.ts';
import { eventually } from '../../../support/eventually.ts';
import { Ledger, scaled } from '../../../support/ledger.ts';
import { Site, hurry } from '../../../support/site.ts';
import type { Group, Kind } from '../kind.ts';
import { Random } from '../random.ts';
import { Mosquitto } from './broker-process.ts';

const SERIES = ['site/flow', 'site/level'] as const;
/** After the faults of a round until every reading is at the cloud; a window takes a second, and HELLO pauses for up to a minute. */
const CATCH_UP_MS = 240_000;

interface Scene {
  site: Site;
  /** Absent where the cloud's own broker is used. */
  mosquitto: Mosquitto | undefined;
  random: Random;
}

type Fault = (scene: Scene) => Promise<void>;

const pause = (random: Random): Promise<void> => sleep(random.pick([0, 100, 500, 2_000]));

const cut: Fault = async ({ site, random }) => {
  site.link.cut();
  await pause(random);
  site.link.restore();
};

const frozen: Fault = async ({ site, random }) => {
  site.link.freeze();
  await pause(random);
  // What stood in the way is lost with the connections, or comes late after all.
  if (random.chance(0.5)) site.link.cut();
  site.link.thaw();
  site.link.restore();
};

const throttled: Fault = async ({ site, random }) => {
  site.link.bytesPerSecond = random.pick([2_000, 20_000]);
  await pause(random);
  await pause(random);
  site.link.bytesPerSecond = Infinity;
};

const killGateway: Fault = async ({ site, random }) => {
  await site.gateway!.kill();
  await pause(random);
  await site.startGateway();
};

/** And with it its own broker, where that is used. */
const killCloud: Fault = async ({ site, random }) => {
  await site.cloud!.kill();
  await pause(random);
  await site.startCloud();
};

const killBroker: Fault = async ({ site, random, mosquitto }) => {
  if (mosquitto === undefined) return cut({ site, random, mosquitto });
  await mosquitto.kill();
  await pause(random);
  await mosquitto.run();
};

const FAULTS: readonly [name: string, fault: Fault][] = [
  ['cut', cut],
  ['frozen', frozen],
  ['throttled', throttled],
  ['gateway killed', killGateway],
  ['cloud killed', killCloud],
  ['broker killed', killBroker],
];

/** A gateway, a broker and a cloud as the processes that they are, with a link between them that cuts, freezes and throttles. */
export const processes: Kind = {
  rounds: 60,
  group: 10,
  parts: ['aedes', 'mosquitto'],
  async run(group) {
    const random = new Random(group.seed);
    const mosquitto = group.part === 'mosquitto' ? await Mosquitto.start() : undefined;
    const broker = mosquitto === undefined ? {} : { brokerPort: mosquitto.port };
    const site = await Site.make({ grants: ['site/#'], flow: hurry, ...broker });
    const ledger = new Ledger(site.mqttPort, 'campaign');
    try {
      await site.startGateway();
      await site.enrolled();
      ledger.start();
      for (let number = 0; number < group.rounds; number++)
        if (!(await round(group, { site, mosquitto, random }, ledger, number))) return;
      group.count(`${group.part}: readings`, ledger.acknowledged);
    } finally {
      await ledger.close();
      await site.close();
      await mosquitto?.stop();
    }
  },
};

async function round(group: Group, scene: Scene, ledger: Ledger, number: number): Promise<boolean> {
  const { random, site } = scene;
  const story: string[] = [];
  const over = new AbortController();
  const feeding = feed(ledger, over.signal);
  try {
    for (let faults = random.between(1, 4); faults > 0; faults--) {
      const [name, fault] = random.pick(FAULTS);
      story.push(name);
      group.count(name);
      await fault(scene);
      await sleep(random.pick([100, 1_000, 3_000]));
      await nothingTwice(site, ledger);
    }
    over.abort();
    await feeding;
    await ledger.drained(120_000);
    const calm = performance.now();
    await eventually('every reading is at the cloud, once', () => isWhole(site, ledger), CATCH_UP_MS);
    group.most('seconds of calm until caught up', Math.ceil((performance.now() - calm) / 1000));
    group.passed();
    return true;
  } catch (error) {
    group.failed(`round ${number} with ${group.part}: ${story.join(', ')}`, error);
    return false;
  } finally {
    over.abort();
    await feeding.catch(() => undefined);
  }
}

/** Readings of two sensors, some twenty a second, until told to stop. */
async function feed(ledger: Ledger, over: AbortSignal): Promise<void> {
  for (let i = 0; !over.aborted; i++) {
    await ledger.publish({ topic: SERIES[i % 2], value: `${i % 1000}.25`, time: Date.now() });
    await sleep(50);
  }
}

async function totalOf(site: Site, series: string): Promise<SummariesAnswer['total']> {
  const query = new URLSearchParams({ gateway: 'site', series, resolution: '1', from: '0', to: '8640000000000000' });
  try {
    return (await site.ask<SummariesAnswer>(`/api/v1/summaries?${query.toString()}`)).total;
  } catch (error) {
    // A series is unknown to the cloud until its first block has arrived.
    if (error instanceof Error && error.message.includes(': 404 ')) return null;
    throw error;
  }
}

/** At no moment has the cloud counted more than was sent. */
async function nothingTwice(site: Site, ledger: Ledger): Promise<void> {
  for (const series of SERIES) {
    const held = (await totalOf(site, series))?.count ?? 0;
    const sent = ledger.totals.get(series)?.count ?? 0;
    assert.ok(held <= sent, `${series}: ${held} readings at the cloud of ${sent} that were sent`);
  }
}

async function isWhole(site: Site, ledger: Ledger): Promise<boolean> {
  await nothingTwice(site, ledger);
  for (const [series, sent] of ledger.totals) {
    const held = await totalOf(site, series);
    if (held?.count !== sent.count) return false;
    assert.equal(scaled(held.sum), sent.sum, `${series}: the exact sum`);
  }
  return true;
}
