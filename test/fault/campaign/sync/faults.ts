import type { Random } from '../random.ts';
import type { Busy } from './busy.ts';
import type { Cloud } from './cloud.ts';
import type { CloudHistory } from './cloud-history.ts';
import type { Flow } from './flow.ts';
import type { Gateway } from './gateway.ts';
import { CALM, type Broker, type Weather } from './network.ts';
import type { World } from './world.ts';

/** What faults happen to. */
export interface Scene {
  readonly world: World;
  readonly busy: Busy;
  readonly broker: Broker;
  readonly cloud: Cloud;
  readonly gateways: readonly Gateway[];
  readonly flows: ReadonlyMap<Gateway, Flow>;
  readonly random: Random;
  readonly history: CloudHistory;
  /** When a gateway's disk was last replaced by an image of it, true time. */
  imagedAt: number;
  /** Newest value of each document that the cloud has taken, by `gateway key`. */
  readonly documents: Map<string, unknown>;
  /** Does something after so many milliseconds, unless the faults are over by then. */
  readonly later: (ms: number, run: () => void) => void;
}

type Fault = (scene: Scene) => void;

const HOUR = 3_600_000;
const YEAR = 365.25 * 24 * HOUR;

const any = (scene: Scene): Gateway => scene.random.pick(scene.gateways);

/** What a flow does ends with its process; what goes wrong in it otherwise ends the round. */
function doing(scene: Scene, gateway: Gateway, work: Promise<void> | undefined): void {
  const { vault } = gateway;
  work?.catch((error: unknown) => {
    if (gateway.vault === vault && gateway.alive) scene.busy.fail(error);
  });
}

const seals: Fault = (scene) => {
  const gateway = any(scene);
  for (let count = scene.random.between(1, 4); count > 0; count--)
    doing(scene, gateway, scene.flows.get(gateway)?.seal());
};

const alert: Fault = (scene) => {
  const gateway = any(scene);
  doing(scene, gateway, scene.flows.get(gateway)?.alert());
};

const fullOutbox: Fault = (scene) => {
  const gateway = any(scene);
  doing(scene, gateway, scene.flows.get(gateway)?.giveUp());
};

const document: Fault = (scene) => {
  const { cloud, random, busy, documents } = scene;
  if (!cloud.alive) return;
  const { name } = any(scene);
  const key = `k${random.below(3)}`;
  const value = random.below(1000);
  busy.track(cloud.put(name, key, value, () => documents.set(`${name} ${key}`, value)));
};

const weather: Fault = ({ random, gateways, cloud }) => {
  const { weather: now } = random.pick([...gateways, cloud]);
  const next: Omit<Weather, 'deaf' | 'breaks'> = random.chance(0.3)
    ? CALM
    : {
        loss: random.pick([0, 0.1, 0.5, 1]),
        twice: random.pick([0, 0.3]),
        flipped: random.pick([0, 0, 0.1]),
        delay: random.pick([
          [1, 5],
          [5, 500],
          [100, 4_000],
          [1, 90_000],
        ]),
      };
  const { loss, twice, flipped, delay } = next;
  Object.assign(now, { loss, twice, flipped, delay });
};

/** What is sent now is lost, what is sent next arrives, and then the link is cut: the cloud holds the newer and not the older. */
const hole: Fault = (scene) => {
  const gateway = any(scene);
  const sealNow = (loss: number): void => {
    gateway.weather.loss = loss;
    doing(scene, gateway, scene.flows.get(gateway)?.seal());
    scene.later(20, () => {
      gateway.session?.releaseNow();
      gateway.step();
    });
  };
  sealNow(1);
  scene.later(600, () => sealNow(0));
  scene.later(1_400, () => gateway.cut('the link was cut'));
};

/** Nothing comes through one way or both, and nobody is told. */
const deaf: Fault = ({ random, gateways, cloud, later }) => {
  const { weather: now } = random.pick([...gateways, cloud]);
  now.deaf = random.pick([
    { up: true, down: true },
    { up: true, down: false },
    { up: false, down: true },
  ]);
  later(random.pick([500, 20_000, 120_000]), () => (now.deaf = { up: false, down: false }));
};

const cut: Fault = ({ random, gateways, cloud }) => random.pick([...gateways, cloud]).cut('the link was cut');

/** The cloud has taken a HELLO or blocks, and the gateway does not hear of it: it says so once more. */
const answersLost: Fault = (scene) => {
  const { random } = scene;
  const gateway = any(scene);
  gateway.weather.breaks = random.between(1, 3);
  if (random.chance(0.5)) gateway.cut('the link was cut');
  else doing(scene, gateway, scene.flows.get(gateway)?.seal());
};

const brokerRestart: Fault = ({ random, broker, later }) => {
  if (!broker.up) return;
  broker.stop(random.chance(0.5));
  later(random.pick([100, 3_000, 40_000]), () => broker.start());
};

const clogged: Fault = (scene) => {
  const gateway = any(scene);
  gateway.clogged = !gateway.clogged;
};

/** Somebody on the way plays again what was said once. */
const replay: Fault = ({ random, broker }) => {
  if (broker.recorded.length === 0 || !broker.up) return;
  const { topic, frame } = random.pick(broker.recorded);
  broker.spread(topic, frame);
};

/** The same, under the topic of another gateway. */
const moved: Fault = ({ random, broker }) => {
  if (broker.recorded.length === 0 || !broker.up) return;
  const { topic, frame } = random.pick(broker.recorded);
  broker.spread(
    topic.includes('/north/') ? topic.replace('/north/', '/south/') : topic.replace('/south/', '/north/'),
    frame,
  );
};

const killGateway: Fault = (scene) => {
  const gateway = any(scene);
  gateway.kill();
  scene.later(scene.random.pick([10, 3_000, 60_000]), () => gateway.start());
};

/** It dies in the middle of what it does next. */
const killGatewayAt: Fault = (scene) => {
  const gateway = any(scene);
  const { random } = scene;
  gateway.dieAt(random.between(1, 30), random.chance(0.5));
};

const killCloud: Fault = ({ cloud, later, random }) => {
  cloud.kill();
  later(random.pick([10, 3_000, 60_000]), () => cloud.start());
};

const killCloudAt: Fault = ({ cloud, random }) => cloud.dieAt(random.between(1, 20), random.chance(0.5));

/** Whoever looks after the machines starts what has died, and starts anew what asks for it. */
const revive: Fault = ({ cloud, gateways }) => {
  cloud.start();
  for (const gateway of gateways) {
    if (gateway.isFenced) gateway.kill();
    gateway.start();
  }
};

/** A copy of the disk is made, and comes back later in the place of what is there then. */
const restoreGateway: Fault = (scene) => {
  const gateway = any(scene);
  const copy = gateway.copy();
  scene.later(scene.random.pick([1_000, 10_000, 60_000]), () => {
    gateway.kill();
    gateway.restore(copy);
    scene.later(scene.random.pick([10, 3_000]), () => gateway.start());
  });
};

/**
 * An image of the disk is written back over the very files, so that nothing there tells. It is caught by its ticket, so the lost
 * disk had to show a newer one.
 */
const imageGateway: Fault = (scene) => {
  const { history, random, later, world } = scene;
  const gateway = any(scene);
  const incarnation = gateway.vault?.incarnation;
  if (incarnation === undefined || gateway.contested !== undefined) return;
  const copy = gateway.copy();
  const { given } = history.tickets(incarnation);
  // Each time it connects it says HELLO.
  for (const ms of [0, 5_000, 20_000, 40_000]) later(ms, () => gateway.cut('its disk is being copied'));
  const putBack = (): void => {
    if (gateway.contested !== undefined || gateway.vault?.incarnation !== incarnation) return;
    if (history.tickets(incarnation).shown <= given) return later(5_000, putBack);
    gateway.kill();
    gateway.restore(copy, incarnation);
    scene.imagedAt = world.now;
    later(random.pick([10, 3_000]), () => gateway.start());
  };
  later(random.pick([5_000, 20_000, 60_000]), putBack);
};

const restoreCloud: Fault = (scene) => {
  const { cloud, later, random, world } = scene;
  const copy = cloud.copy();
  const copiedAt = world.now;
  later(random.pick([1_000, 10_000, 60_000]), () => {
    // It would not know which of two disks wrote last: both are of before.
    if (scene.imagedAt >= copiedAt) return;
    cloud.kill();
    cloud.restore(copy);
    later(random.pick([10, 3_000]), () => cloud.start());
  });
};

const clockJump: Fault = ({ random, gateways, cloud }) => {
  if (random.chance(0.3)) cloud.clock.skew = random.pick([0, -HOUR, HOUR]);
  else random.pick(gateways).clock.skew = random.pick([0, -HOUR, HOUR, -YEAR, 10 * YEAR, -1_600_000_000_000]);
};

/** A machine whose transactions take long: blocks are taken in over several of them. */
const slow: Fault = ({ cloud, random }) => {
  cloud.clock.lag = random.chance(0.5) ? () => random.below(30) : () => 0;
};

export const FAULTS: readonly Fault[] = [
  ...Array<Fault>(7).fill(seals),
  ...Array<Fault>(3).fill(alert),
  ...Array<Fault>(3).fill(weather),
  document,
  fullOutbox,
  hole,
  hole,
  deaf,
  deaf,
  cut,
  cut,
  answersLost,
  answersLost,
  brokerRestart,
  clogged,
  replay,
  moved,
  killGateway,
  killGatewayAt,
  killGatewayAt,
  killCloud,
  killCloudAt,
  killCloudAt,
  revive,
  revive,
  restoreGateway,
  imageGateway,
  imageGateway,
  restoreCloud,
  clockJump,
  slow,
];
