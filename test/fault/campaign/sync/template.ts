import { mkdirSync, mkdtempSync, rmSync, accessSync, constants } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Clock } from '@tidegate/nodes/node';
import { makeIdentity, outgoingOf, storeEnrolment } from '@tidegate/nodes/sync';
import { createKeyFile, openLocalVault } from '@tidegate/nodes/vault';
import { enrolGateway } from '../../../../cloud-bridge/src/enrol.ts';
import { emptyCloud } from './cloud.ts';
import { readFiles, type Files } from './files.ts';
import { vaultOptions } from './gateway.ts';

export const GATEWAYS = ['north', 'south'] as const;

/** Before all rounds. */
const clock: Clock = { now: () => 1_699_999_000_000, monotonic: () => 0 };

/** Where all rounds of a process run, one after the other, and the disks that each of them begins with: made once. */
export class Template {
  readonly identity = makeIdentity();
  readonly home: string;
  cloud: Files = new Map();
  readonly gateways = new Map<string, Files>();

  private constructor(home: string) {
    this.home = home;
  }

  /** Gateways with a token and a grant for everything, and a cloud that has made the tokens. */
  static async make(): Promise<Template> {
    const template = new Template(mkdtempSync(path.join(roomForRounds(), 'tidegate-sync-')));
    const { identity } = template;
    const tokens = new Map<string, string>();
    mkdirSync(template.place('cloud'));
    template.cloud = await emptyCloud(template.place('cloud'), async (store) => {
      for (const name of GATEWAYS) tokens.set(name, (await enrolGateway(store, identity, clock, { name })).token);
    });
    for (const name of GATEWAYS) {
      const home = template.place(name);
      mkdirSync(path.join(home, 'vault'), { recursive: true, mode: 0o700 });
      createKeyFile(path.join(home, 'key'));
      const vault = await openLocalVault(vaultOptions(home), clock);
      await storeEnrolment(vault, tokens.get(name)!);
      await (await outgoingOf(vault, clock)).grant('#');
      await vault.close();
      template.gateways.set(name, readFiles(path.join(home, 'vault')));
    }
    return template;
  }

  place(name: string): string {
    return path.join(this.home, name);
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

function roomForRounds(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return os.tmpdir();
  }
}
